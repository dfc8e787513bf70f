// What stands around a request: its risk, its limits, what people say, and the review after a broken glass.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, timed, withEnd } from "../api";
import { me, said } from "../state";
import type { Body, Grant, Request, Timed } from "../types";
import { budgetWords, live, riskWords, windowWords } from "../words";
import { Fact, Name, Safe, Section, when } from "./parts";
import { Trouble } from "./trouble";

export function Risk({ r }: { r: Request }): JSX.Element | null {
    if (r.risk === null) return null;
    return (
        <Section title="Risk" id="risk">
            <p class="riskline">
                <meter min={0} max={100} low={20} high={60} optimum={0} value={r.risk} aria-hidden="true" /> <b>{r.risk} of 100</b>: {riskWords(r.risk)}
            </p>
            {r.risk_reasons.length > 0 && <ul class="reasons">{r.risk_reasons.map((x) => <li key={x.why}><span class="points">{x.points}</span> <Safe text={x.why} /></li>)}</ul>}
        </Section>
    );
}

/** Limits that the body has besides how long and how often. */
export const Limits = ({ body }: { body: Body }): JSX.Element => (
    <>
        {budgetWords(body.bounds) && <Fact name="At most">{budgetWords(body.bounds)}</Fact>}
        {(body.bounds.windows ?? []).map((w, i) => <Fact key={i} name={i ? "" : "Only"}>{windowWords(w)}</Fact>)}
        {body.extends && <Fact name="Goes on from">grant <code><Safe text={body.extends} /></code></Fact>}
    </>
);

/** A remark is no vote; it is told to whoever is concerned. */
export function Talk({ r, done }: { r: Timed<Request>; done: (r: Timed<Request>) => void }): JSX.Element {
    const [text, setText] = useState("");
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<unknown>(null);
    async function send(kind: "comment" | "question"): Promise<void> {
        setBusy(true);
        setError(null);
        try {
            const path = `/v1/requests/${encodeURIComponent(r.id)}/remarks`;
            const after = await timed<Request, Timed<Request>>("POST", path, { kind, text: text.trim() }, (v, sent) => withEnd(v, sent));
            setText("");
            said.value = kind === "question" ? "Asked." : "Said.";
            done(after);
        } catch (e) {
            setError(e);
        }
        setBusy(false);
    }
    const told = [...new Set([...r.watchers, ...r.suggested])];
    return (
        <Section title="What people say" id="talk">
            {r.remarks.length > 0 && (
                <ul class="remarks">
                    {r.remarks.map((m, i) => (
                        <li key={i}><Name text={m.person} /> {m.kind === "question" ? "asks" : "says"}: “<Safe text={m.text} />” <span class="quiet"><time dateTime={m.at}>{when(m.at)}</time></span></li>
                    ))}
                </ul>
            )}
            {told.length > 0 && <p class="quiet">Told of it as well: <Name text={told.join(", ")} /></p>}
            <form onSubmit={(e) => { e.preventDefault(); void send("comment"); }}>
                <label for="remark">Say or ask something; it is no vote</label>
                <textarea id="remark" rows={2} maxLength={2000} value={text} onInput={(e) => setText(e.currentTarget.value)} />
                <div class="buttons">
                    <button type="submit" class="button" disabled={busy || !text.trim()}>Say it</button>
                    <button type="button" class="button" disabled={busy || !text.trim()} onClick={() => void send("question")}>Ask it</button>
                </div>
            </form>
            {error != null && <Trouble error={error} />}
        </Section>
    );
}

/** After a broken glass: somebody else looks at what was done, and says what they found. */
export function Review({ grant, done }: { grant: Grant; done: () => void }): JSX.Element | null {
    const [note, setNote] = useState("");
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<unknown>(null);
    const id = `note-${grant.id}`;
    if (!grant.review) return null;
    if (grant.review === "closed") return <p class="quiet">The glass was broken for this; {grant.reviewer ? <Name text={grant.reviewer} /> : "somebody"} has reviewed it.</p>;
    if (grant.principal.id === me.value?.person.id) return <p class="glass">You broke the glass for this. Somebody else must review it before you can again.</p>;
    if (live(grant)) return <p class="glass"><b>The glass is broken</b>: this was approved by nobody. It can be reviewed once it has ended.</p>;
    async function close(e: Event): Promise<void> {
        e.preventDefault();
        setBusy(true);
        try {
            await call("POST", `/v1/grants/${encodeURIComponent(grant.id)}/review`, { note: note.trim() });
            said.value = "Reviewed.";
            done();
        } catch (x) {
            setError(x);
        }
        setBusy(false);
    }
    return (
        <form class="revoke" onSubmit={(e) => void close(e)}>
            <p class="glass"><b>The glass was broken</b>, and nobody has reviewed it yet. Look at what was done in the log.</p>
            <label for={id}>What did you find?</label>
            <input id={id} value={note} maxLength={2000} required autocomplete="off" onInput={(e) => setNote(e.currentTarget.value)} />
            <div class="buttons"><button type="submit" class="button" disabled={busy || !note.trim()}>Close the review<span class="sr"> of {grant.code}</span></button></div>
            {error != null && <Trouble error={error} />}
        </form>
    );
}
