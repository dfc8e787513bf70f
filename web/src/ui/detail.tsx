// One request in full: what would run, who asks, why it needs somebody, and the decision.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useState } from "preact/hooks";
import { call } from "../api";
import { check, type Checked } from "../checked";
import { pageKeys } from "../keys";
import { getRequest } from "../live";
import { before, go } from "../route";
import { happened, me, now, said } from "../state";
import { statements, textOf, unseen, texts, type Param, type ShownStatement } from "../shown";
import { plural } from "../text";
import type { Body, Need, Request, Timed } from "../types";
import { duration } from "../text";
import { fate, grantWords, headline, label, live, missing, pairs, riskOf, usesWords, worst } from "../words";
import { Limits, Review, Risk, Talk } from "./beyond";
import { Decide, type Panel } from "./decide";
import { ChangeWords } from "./change";
import { GrantMore, Revoke } from "./grants";
import { Bad, Cuttable, Fact, Left, Name, Pieces, Safe, Section, when } from "./parts";
import { Trouble } from "./trouble";

interface Folds { opened: ReadonlySet<string>; open: (key: string) => void }

const ParamLine = ({ p, folds }: { p: Param; folds: Folds }): JSX.Element => (
    <li><span class="pname">{p.name}</span> <Cuttable of={p} quoted={p.quoted} {...folds} />{p.note && <span class="quiet"> ({p.note})</span>}</li>
);

function OneStatement({ s, n, of, sql, folds }: { s: ShownStatement; n: number; of: number; sql: boolean; folds: Folds }): JSX.Element {
    return (
        <div class="statement">
            {of > 1 && <h3>{n + 1} of {of}</h3>}
            <div class="sheet"><Cuttable of={s} sql={sql} {...folds} /></div>
            {s.params.length > 0 && <ol class="params" aria-label="Parameters">{s.params.map((p) => <ParamLine key={p.key} p={p} folds={folds} />)}</ol>}
            <p class="quiet size">{plural(s.bytes, "byte")}{s.max_rows > 0 && `, at most ${plural(s.max_rows, "row")} at a time`}{s.results && `, results ${s.results}`}</p>
        </div>
    );
}

const Touches = ({ body }: { body: Body }): JSX.Element => (
    <ul class="touches">
        {pairs(body).map((p) => (
            <li key={p.action + p.resource.type + p.resource.id} class={riskOf(p.action)}><code><Safe text={p.action} /></code> on <Name text={label(p.resource)} /></li>
        ))}
    </ul>
);

const ScopeAsked = ({ body }: { body: Body }): JSX.Element => (
    <Section title="What is asked for" id="what">
        <p class="lead">Any statement that does this and nothing else, for {duration(body.bounds.for_ms)}, {usesWords(body.bounds.uses)}:</p>
        <Touches body={body} />
    </Section>
);

function What({ body, folds }: { body: Body; folds: Folds }): JSX.Element {
    const all = statements(body);
    if (!all.length) return <ScopeAsked body={body} />;
    return (
        <>
            <Section title={body.payload?.kind === "phi-change" ? "The change, exactly" : all.length > 1 ? `The ${all.length} statements, in this order` : "The statement, exactly"} id="what">
                {all.map((s, i) => <OneStatement key={s.key} s={s} n={i} of={all.length} sql={body.payload?.kind !== "phi-change"} folds={folds} />)}
                <ul class="settings" aria-label="Settings that change what it means">
                    {Object.entries(body.settings).map(([k, v]) => <li key={k}><span class="quiet"><Safe text={k} /></span> <code><Safe text={v} /></code></li>)}
                </ul>
            </Section>
            <Section title="What phi understood" id="touches"><Touches body={body} /></Section>
        </>
    );
}

/** The tracker's word, not the asker's. */
const TicketFacts = ({ f }: { f: NonNullable<Request["ticket_facts"]> }): JSX.Element => (
    <> — {f.open ? "open" : "closed"}, {f.assigned ? "the asker's" : "not the asker's"}{f.title && <>: <Safe text={f.title} /></>} <span class="quiet">(the tracker, {when(new Date(f.asked_ms).toISOString())})</span></>
);

function Facts({ r, body, folds }: { r: Timed<Request>; body: Body; folds: Folds }): JSX.Element {
    const why = textOf("why", body.why);
    return (
        <Section title="Who and why" id="who">
            <dl>
                <Fact name="Asked by"><Name text={r.requester.name} />{body.on_behalf.length > 0 && <> for <Name text={r.on_behalf.join(", ") || body.on_behalf.map((x) => x.id).join(", ")} /></>}</Fact>
                <Fact name="Why">{body.why ? <Cuttable of={why} {...folds} /> : <span class="quiet">no reason given</span>}</Fact>
                {body.ticket && <Fact name="Ticket"><Safe text={body.ticket} />{r.ticket_facts && <TicketFacts f={r.ticket_facts} />}</Fact>}
                <Fact name="From"><Safe text={[r.from.application, r.from.addr].filter(Boolean).join(" at ") || "not known"} /></Fact>
                <Fact name="Target"><Name text={label(body.target)} />{r.gateway && <> through <Name text={r.gateway} /></>}</Fact>
                {body.payload?.kind === "phi-change" ? <Fact name="When">at once, when it is approved</Fact> : <Fact name="How long">{duration(body.bounds.for_ms)} from the approval, {usesWords(body.bounds.uses)}</Fact>}
                <Limits body={body} />
                {body.bounds.until_ms !== undefined && <Fact name="Not after">{when(new Date(body.bounds.until_ms).toISOString())}</Fact>}
                {body.bounds.from_ms !== undefined && <Fact name="Not before">{when(new Date(body.bounds.from_ms).toISOString())}</Fact>}
                <Fact name="Asked at"><time dateTime={r.created_at}>{when(r.created_at)}</time>{r.version > 1 && <>, edited: version {r.version}</>}</Fact>
            </dl>
        </Section>
    );
}

/** Who may still approve is said only while somebody may. */
const NeedLine = ({ n, open }: { n: Need; open: boolean }): JSX.Element => (
    <li>
        <b><Safe text={n.requirement} /></b>: {n.have} of {plural(n.count, n.kind === "approval" ? "approval" : n.kind)}{(n.stage ?? 1) > 1 && `, now at step ${n.stage}`}{n.signed && ", each with a passkey"}
        {missing(n) === 0 ? " — met" : !open ? "" : n.who.length ? <> — can still approve: <Name text={n.who.join(", ")} /></> : <> — <b>nobody may</b>; ask a policy author</>}
    </li>
);

function Needs({ r }: { r: Request }): JSX.Element {
    return (
        <Section title="What it needs" id="needs">
            {r.needs.map((alt, i) => (
                <div key={i}>
                    {i > 0 && <p class="or">or</p>}
                    <ul class="needs">{alt.map((n) => <NeedLine key={n.requirement} n={n} open={r.status === "pending"} />)}</ul>
                </div>
            ))}
            {r.policies.length > 0 && <ul class="policies">{r.policies.map((p) => <li key={p.id}>{p.why ? <Safe text={p.why} /> : "no reason in the policy"} <span class="quiet">policy <Safe text={p.id} /></span></li>)}</ul>}
            {r.votes.length > 0 && (
                <ul class="votes" aria-label="Votes">
                    {r.votes.map((v) => (
                        <li key={v.person}><Name text={v.person} /> {v.decision === "approve" ? "approved" : "denied"} as <Safe text={v.requirement} />{v.reason && <>: “<Safe text={v.reason} />”</>} <span class="quiet"><time dateTime={v.at}>{when(v.at)}</time></span></li>
                    ))}
                </ul>
            )}
        </Section>
    );
}

function Digest({ r, checked }: { r: Request; checked: Checked }): JSX.Element {
    const short = `${r.digest.slice(0, 8)} … ${r.digest.slice(-8)}`;
    return (
        <Section title="Digest" id="digest">
            <details>
                <summary><code>{short}</code> <span class="quiet">{checked.state === "same" ? "computed here from what is shown: the same" : checked.state === "bad" ? "does not hold" : "being checked"}</span></summary>
                <code class="exact digest">{r.digest}</code>
                <p class="quiet">Version {r.version}. An approval is for this digest and nothing else; <code>phi show {r.code}</code> prints the same.</p>
            </details>
        </Section>
    );
}

function Own({ r, done }: { r: Timed<Request>; done: (r: Timed<Request>) => void }): JSX.Element {
    const [error, setError] = useState<unknown>(null);
    async function cancel(): Promise<void> {
        try {
            await call("POST", `/v1/requests/${encodeURIComponent(r.id)}/cancel`, {});
            said.value = "Withdrawn.";
            done(await getRequest(r.id));
        } catch (e) {
            setError(e);
        }
    }
    return (
        <div class="bar">
            {r.can.why_not && <p class="whynot">You cannot decide this: <Safe text={r.can.why_not} />.</p>}
            <div class="buttons"><button type="button" class="button" onClick={() => void cancel()}>Withdraw this request</button>
                {r.body?.scope && <a class="button" href={`/#ask:edit:${r.code}`}>Change it …</a>}</div>
            {error != null && <Trouble error={error} />}
        </div>
    );
}

function State({ r, done }: { r: Timed<Request>; done: () => void }): JSX.Element {
    const word = fate(r, me.value?.person.name ?? "");
    if (!word) return <p class="waiting">{r.ends > now.value ? <>Waiting; <Left ends={r.ends} /> left to decide.</> : "Its time is over."}</p>;
    return (
        <div class={`state ${r.status}`}>
            <p><b><Safe text={word} /></b></p>
            {r.grant && <p>The grant is {grantWords(r.grant)}{live(r.grant) && <>, <Left ends={r.ends} /> left</>}.</p>}
            {r.grant && <GrantMore grant={r.grant} />}
            {r.grant && <Revoke grant={r.grant} done={done} />}
            {r.grant && <Review grant={r.grant} done={done} />}
        </div>
    );
}

/** The request, read again whenever something happens to it. */
function useRequest(code: string): { r: Timed<Request> | undefined; error: unknown; set: (r: Timed<Request>) => void; again: () => void } {
    const [r, set] = useState<Timed<Request>>();
    const [error, setError] = useState<unknown>(null);
    const [n, setN] = useState(0);
    const event = happened.value;
    const relevant = !r || !event.id || event.id === r.id ? event.n : -1;
    const over = r?.status === "pending" && r.ends <= now.value;
    useEffect(() => {
        if (relevant < 0) return;
        let here = true;
        getRequest(code).then((v) => {
            if (!here) return;
            if (r && (r.version !== v.version || r.digest !== v.digest)) said.value = `${v.code} was changed: read it again.`;
            set(grantEnd(v));
            setError(null);
        }, (e: unknown) => here && setError(e));
        return () => {
            here = false;
        };
    }, [code, relevant, n, over]);
    return { r, error, set: (v) => set(grantEnd(v)), again: () => setN(n + 1) };
}

/** With a grant, the time that counts down is the grant's. */
const grantEnd = (r: Timed<Request>): Timed<Request> => (r.grant ? { ...r, ends: r.ends - r.expires_in_ms + r.grant.remaining_ms } : r);

function useChecked(r: Timed<Request> | undefined): Checked {
    const [of, setOf] = useState<{ r: Request; checked: Checked } | null>(null);
    useEffect(() => {
        let here = true;
        if (r) void check(r).then((checked) => here && setOf({ r, checked }));
        return () => {
            here = false;
        };
    }, [r]);
    return of && of.r === r ? of.checked : { state: "checking" };
}

function Loaded({ r, set, again }: { r: Timed<Request>; set: (r: Timed<Request>) => void; again: () => void }): JSX.Element {
    const checked = useChecked(r);
    const [opened, setOpened] = useState<ReadonlySet<string>>(new Set());
    const [panel, setPanel] = useState<Panel>("");
    const body = r.body;
    const readable = useMemo(() => readableBody(body), [r.digest, r.version, body === null]);
    const folds: Folds = { opened, open: (key) => setOpened(new Set([...opened, key])) };
    useLayoutEffect(() => {
        pageKeys.set("Escape", () => (panel ? setPanel("") : go(before.value.href)));
        return () => pageKeys.delete("Escape");
    });
    if (!body || readable)
        return <><Head r={r} pieces={r.summary} risk="admin" again={again} /><Bad>{readable || "The text of this request is erased."} It cannot be approved from here.</Bad></>;
    return (
        <>
            <Head r={r} pieces={<Pieces of={headline(r, body)} />} risk={worst(pairs(body).map((p) => p.action))} again={again} />
            {checked.state === "bad" && <Bad loud><b>Approve is off.</b> {checked.why}</Bad>}
            <div class="columns">
                <div><ChangeWords r={r} body={body} /><What body={body} folds={folds} /></div>
                <div><Facts r={r} body={body} folds={folds} /><Risk r={r} /><Needs r={r} /><Talk r={r} done={set} /><Digest r={r} checked={checked} /></div>
            </div>
            {r.status === "pending" && r.can.cancel && !panel && <Own r={r} done={set} />}
            {r.status === "pending" && (!r.can.cancel || r.can.approve) && (
                <Decide r={r} body={body} checked={checked} unseen={unseen(body, opened)} panel={panel} setPanel={setPanel} done={set}
                    showAll={() => setOpened(new Set(texts(body).map((t) => t.key)))} />
            )}
        </>
    );
}

function readableBody(body: Body | null): string {
    try {
        if (body) texts(body);
        return "";
    } catch (e) {
        return `The request cannot be shown: ${e instanceof Error ? e.message : String(e)}.`;
    }
}

function Head({ r, pieces, risk, again }: { r: Timed<Request>; pieces: JSX.Element | string; risk: string; again: () => void }): JSX.Element {
    return (
        <header class={`head ${risk}`}>
            <p class="crumbs"><a href={before.value.href}>← Back</a> <span class="code">{r.code}</span></p>
            <h1 tabIndex={-1} id="title">{pieces}</h1>
            <State r={r} done={again} />
        </header>
    );
}

export function Detail({ code }: { code: string }): JSX.Element {
    const { r, error, set, again } = useRequest(code);
    useEffect(() => {
        document.getElementById("title")?.focus();
    }, [r === undefined]);
    if (r) return <><Loaded key={`${r.version} ${r.digest}`} r={r} set={set} again={again} />{error != null && <Trouble error={error} />}</>;
    return (
        <>
            <h1 tabIndex={-1} id="title"><Safe text={code} /></h1>
            {error ? <><Trouble error={error} /><p>It does not exist, or you are not among those who may see it. <a href="/">To the inbox</a></p></> : <p class="quiet" role="status">Reading …</p>}
        </>
    );
}
