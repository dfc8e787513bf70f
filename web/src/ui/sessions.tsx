// Where one is signed in, databases too, and the end of it; for who may revoke, where somebody else is: a lost laptop.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, every } from "../api";
import { me, said } from "../state";
import { Safe } from "./parts";
import { Trouble } from "./trouble";
import { browserWords } from "../words";

interface Session {
    id: string; kind: string; note: string; address: string; provider: string; target: string; device: string; current: boolean; created_at?: string; used_at?: string;
}

const when = (at: string | undefined): string => (at ? new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "");
const kinds: Record<string, string> = { cli: "command line", credential: "credential for a database" };

function One({ s, end }: { s: Session; end: () => void }): JSX.Element {
    const name = s.target || browserWords(s.note) || s.kind || "a session";
    return (
        <li>
            <b><Safe text={name} /></b>{" "}
            <span class="quiet">
                {kinds[s.kind] ?? "browser"}{s.device && <>, of the device <Safe text={s.device} /></>}{s.address && <>, from <Safe text={s.address} /></>}
                {s.provider && <>, by <Safe text={s.provider} /></>}{s.used_at ? `, last used ${when(s.used_at)}` : s.created_at && `, since ${when(s.created_at)}`}
            </span>{" "}
            {s.current ? <span class="quiet">(this one)</span>
                : <button type="button" class="plain" onClick={end}>End<span class="sr"> {name}</span></button>}
        </li>
    );
}

/** `person`: "" for oneself. */
function List({ person }: { person: string }): JSX.Element {
    const [list, setList] = useState<Session[] | null>(null);
    const [error, setError] = useState<unknown>(null);
    const query = person && `?person=${encodeURIComponent(person)}`;
    const load = async (): Promise<void> => {
        try {
            setList(await every<Session>(`/v1/sessions${query}`, "sessions"));
        } catch (e) {
            setError(e);
        }
    };
    useEffect(() => void load(), []);
    async function end(id: string): Promise<void> {
        try {
            await call("DELETE", `/v1/sessions${id && `/${encodeURIComponent(id)}`}${query}`);
            said.value = "Ended.";
        } catch (e) {
            setError(e);
        }
        await load();
    }
    const others = (list ?? []).filter((s) => !s.current).length;
    return (
        <>
            {list && <ul class="passkeys sessions">{list.map((s) => <One key={s.id} s={s} end={() => void end(s.id)} />)}</ul>}
            {list?.length === 0 && <p class="quiet">Nowhere.</p>}
            {others > 0 && <button type="button" class="button" onClick={() => void end("")}>{others === list?.length ? "End all" : "End all but this one"}</button>}
            {error !== null && <Trouble error={error} />}
        </>
    );
}

function Others(): JSX.Element {
    const [name, setName] = useState("");
    const [shown, setShown] = useState("");
    return (
        <section aria-labelledby="others-title">
            <h2 id="others-title">Where somebody else is signed in</h2>
            <p class="quiet">For a laptop that is lost: ending a session cuts what still runs by it.</p>
            <form class="row" onSubmit={(e) => { e.preventDefault(); setShown(name.trim()); }}>
                <label>Name <input value={name} required maxLength={128} autoComplete="off" onInput={(e) => setName(e.currentTarget.value)} /></label>{" "}
                <button type="submit" class="button">Show</button>
            </form>
            {shown && <List key={shown} person={shown} />}
        </section>
    );
}

export function Sessions(): JSX.Element {
    return (
        <>
            <section aria-labelledby="sessions-title">
                <h2 id="sessions-title">Where you are signed in</h2>
                <List person="" />
            </section>
            {me.value?.rights.includes("revoke") && <Others />}
        </>
    );
}
