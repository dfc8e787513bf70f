// Where one is signed in, and the end of it.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, every } from "../api";
import { said } from "../state";
import { Safe } from "./parts";
import { Trouble } from "./trouble";

interface Session { id: string; kind: string; note: string; address: string; provider: string; current: boolean; used_at?: string }

const when = (at: string | undefined): string => (at ? new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "");

export function Sessions(): JSX.Element {
    const [list, setList] = useState<Session[]>([]);
    const [error, setError] = useState<unknown>(null);
    const load = async (): Promise<void> => {
        try {
            setList(await every<Session>("/v1/sessions", "sessions"));
        } catch (e) {
            setError(e);
        }
    };
    useEffect(() => void load(), []);
    async function end(path: string): Promise<void> {
        try {
            await call("DELETE", path);
            said.value = "Ended.";
        } catch (e) {
            setError(e);
        }
        await load();
    }
    return (
        <section aria-labelledby="sessions-title">
            <h2 id="sessions-title">Where you are signed in</h2>
            <ul class="passkeys sessions">
                {list.map((s) => (
                    <li key={s.id}>
                        <b><Safe text={s.note || s.kind || "a session"} /></b>{" "}
                        <span class="quiet">
                            {s.kind === "cli" ? "command line" : "browser"}{s.address && <>, from <Safe text={s.address} /></>}{s.provider && <>, by <Safe text={s.provider} /></>}
                            {s.used_at && `, last used ${when(s.used_at)}`}
                        </span>{" "}
                        {s.current ? <span class="quiet">(this one)</span>
                            : <button type="button" class="plain" onClick={() => void end(`/v1/sessions/${encodeURIComponent(s.id)}`)}>End</button>}
                    </li>
                ))}
            </ul>
            {list.length > 1 && <button type="button" class="button" onClick={() => void end("/v1/sessions")}>End all but this one</button>}
            {error !== null && <Trouble error={error} />}
        </section>
    );
}
