// Grants that live, and how those ended that do not; ending one early.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, timed, withEnd } from "../api";
import { me, said } from "../state";
import type { Grant, Request, Timed } from "../types";
import { grantLimits, grantWords, live } from "../words";
import { useFresh } from "./list";
import { Review } from "./beyond";
import { Left, Name, Safe } from "./parts";
import { Trouble } from "./trouble";

const LIMIT = 100;

interface Revoked { grant: Grant; acknowledged: string[]; waiting: string[] }

function revokedWords(r: Revoked): string {
    if (r.waiting.length) return `Revoked. Confirmed by ${r.acknowledged.join(", ") || "nobody yet"}; ${r.waiting.join(", ")} has not confirmed yet: what runs there ends with its lease, within a minute.`;
    return `Revoked${r.acknowledged.length ? `, and confirmed by ${r.acknowledged.join(", ")}` : ""}. What ran on it is cut.`;
}

/** Asks for a reason, then ends the grant; says afterwards who has confirmed it. Nothing for a grant that had ended before. */
export function Revoke({ grant, done }: { grant: Grant; done: () => void }): JSX.Element | null {
    const [open, setOpen] = useState(false);
    const [why, setWhy] = useState("");
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<unknown>(null);
    const [answer, setAnswer] = useState("");
    const own = grant.principal.id === me.value?.person.id;
    const id = `why-${grant.id}`;
    async function revoke(e: Event): Promise<void> {
        e.preventDefault();
        setBusy(true);
        try {
            const path = `/v1/grants/${encodeURIComponent(grant.id)}`;
            const words = own ? (await call("POST", `${path}/return`, {}), "Given back. What ran on it is cut.") : revokedWords(await call<Revoked>("POST", `${path}/revoke`, { why: why.trim() }));
            said.value = words;
            setAnswer(words);
            setOpen(false);
            done();
        } catch (x) {
            setError(x);
        } finally {
            setBusy(false);
        }
    }
    if (answer) return <p class="done" role="status"><Safe text={answer} /></p>;
    if (!live(grant)) return null;
    if (!open)
        return <button type="button" class="button no" onClick={() => setOpen(true)}>{own ? "Give back" : "Revoke"}<span class="sr"> {grant.code}</span></button>;
    return (
        <form class="revoke" onSubmit={(e) => void revoke(e)}>
            {own ? <p>What still runs on it is cut. To get it again, ask again.</p> : (
                <>
                    <label for={id}>Why revoke it? What still runs is cut.</label>
                    <input id={id} value={why} onInput={(e) => setWhy(e.currentTarget.value)} required maxLength={2000} ref={(x) => x?.focus()} autocomplete="off" />
                </>
            )}
            <div class="buttons">
                <button type="submit" class="button no full" disabled={busy || (!own && !why.trim())}>{own ? "Give it back now" : "Revoke now"}</button>
                <button type="button" class="button" onClick={() => setOpen(false)}>Keep</button>
            </div>
            {error != null && <Trouble error={error} />}
        </form>
    );
}

/** What it gives when, and how it can go on. */
export const GrantMore = ({ grant }: { grant: Grant }): JSX.Element | null => {
    const own = grant.principal.id === me.value?.person.id;
    if (!live(grant)) return null;
    const limits = grantLimits(grant);
    return (
        <>
            {limits.length > 0 && <ul class="limits">{limits.map((l) => <li key={l}>{l}</li>)}</ul>}
            {own && grant.scope && !grant.review && <p><a class="button" href={`/#ask:extend:${grant.code}`}>Go on for longer …<span class="sr"> {grant.code}</span></a></p>}
        </>
    );
};

const fetched = (path: string): Promise<Timed<Grant>[]> =>
    timed<{ grants: Grant[] }, Timed<Grant>[]>("GET", path, undefined, (a, sent) => a.grants.map((g) => withEnd(g, sent)));

/** An administrator sees all; others their own, and those of the requests that they may see. */
async function grants(): Promise<Timed<Grant>[]> {
    if (me.value?.rights.includes("see-all")) return fetched(`/v1/grants?box=all&limit=${LIMIT}`);
    const [own, requests] = await Promise.all([
        fetched(`/v1/grants?box=mine&limit=${LIMIT}`),
        timed<{ requests: Request[] }, Timed<Grant>[]>("GET", `/v1/requests?box=all&status=all&limit=${LIMIT}`, undefined,
            (a, sent) => a.requests.flatMap((r) => (r.grant ? [withEnd(r.grant, sent)] : []))),
    ]);
    return [...new Map([...own, ...requests].map((g) => [g.id, g])).values()].sort((a, b) => (a.id < b.id ? 1 : -1));
}

export function Grants(): JSX.Element {
    const { value, error, again } = useFresh(grants);
    if (error) return <Trouble error={error} />;
    if (!value) return <p class="quiet" role="status">Reading …</p>;
    if (!value.length)
        return <div class="empty"><p class="lead">No grants.</p><p>A grant is the narrow, short right that an approval gives. It ends by itself; while it lives you can end it here.</p></div>;
    const sorted = [...value].sort((a, b) => Number(live(b)) - Number(live(a)));
    return (
        <ul class="lines">
            {sorted.map((g) => (
                <li key={g.id} class={`line card ${live(g) ? "" : "gone"}`}>
                    <p class="what"><Name text={g.principal.name} />: <Safe text={g.summary} /></p>
                    <p><a class="code" href={`/r/${g.code}`} data-item>{g.code}</a> · {grantWords(g)}{live(g) && <> · <Left ends={g.ends} /> left</>}</p>
                    <GrantMore grant={g} />
                    <Revoke grant={g} done={again} />
                    <Review grant={g} done={again} />
                </li>
            ))}
        </ul>
    );
}
