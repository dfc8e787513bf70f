// Approve and deny. What is approved is the digest that the browser computed from what it showed.
import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { timed, withEnd } from "../api";
import { pageKeys } from "../keys";
import { me, now, said } from "../state";
import { count, duration } from "../text";
import type { Body, Need, Request, Timed } from "../types";
import { asError } from "../passkey";
import { signed } from "../signed";
import { missing, outcome, usesWords } from "../words";
import type { Checked } from "../checked";
import { LessForm, lessWords, narrowingOf, nothingLess, type Less } from "./less";
import { Name, Pieces, Safe } from "./parts";
import { Trouble } from "./trouble";

export type Panel = "" | "approve" | "deny";

interface Props {
    r: Timed<Request>;
    body: Body;
    checked: Checked;
    unseen: number;
    showAll: () => void;
    panel: Panel;
    setPanel: (p: Panel) => void;
    done: (r: Timed<Request>) => void;
}

/** Why it may not be approved from here; "" when it may. */
function obstacle({ r, checked, unseen }: Props): string {
    if (!r.can.approve) return r.can.why_not || "you may not approve this";
    if (checked.state === "checking") return "the digest is being checked";
    if (checked.state === "bad") return "what is shown is not what would be approved (see above)";
    if (unseen > 0) return `${count(unseen)} bytes have not been shown yet`;
    if (r.ends <= now.value) return "its time is over";
    return "";
}

/** The requirements that this person's vote could still help with. */
function mine(r: Request): Need[] {
    const seen = new Map<string, Need>();
    for (const n of r.needs.flat()) if (missing(n) > 0 && n.who.includes(me.value?.person.name ?? "")) seen.set(n.requirement, n);
    return [...seen.values()];
}

/** Whether an approval for this requirement takes a passkey. */
const takesPasskey = (n: Need | undefined): boolean => n?.signed === true || n?.kind === "mfa";

async function vote(r: Request, digest: string, more: Record<string, unknown>): Promise<Timed<Request>> {
    const { withPasskey, ...ballot } = more;
    if (withPasskey === true) more = { ...ballot, ...(await signed(r, { digest, version: r.version, ...ballot })) };
    return timed<Request, Timed<Request>>("POST", `/v1/requests/${encodeURIComponent(r.id)}/votes`, { digest, version: r.version, ...more }, withEnd);
}

const shorter = (for_ms: number): number[] => [1, 5, 15, 60, 240].map((m) => m * 60000).filter((ms) => ms < for_ms);

function after(r: Request): string {
    if (r.status === "approved") return `Approved. ${r.requester.name} can go on.`;
    if (r.status === "denied") return `Denied. ${r.requester.name} is told why.`;
    return "Your approval counts. It waits for others.";
}

/** Sends a vote and keeps what went wrong. */
function useVote(p: Props): { busy: boolean; error: unknown; send: (more: Record<string, unknown>) => Promise<void> } {
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<unknown>(null);
    async function send(more: Record<string, unknown>): Promise<void> {
        setBusy(true);
        setError(null);
        try {
            const digest = p.checked.state === "same" ? p.checked.digest : p.r.digest;
            const fresh = await vote(p.r, digest, more);
            said.value = after(fresh);
            p.done(fresh);
            p.setPanel("");
        } catch (e) {
            setError(asError(e));
        } finally {
            setBusy(false);
        }
    }
    return { busy, error, send };
}

function Approve(p: Props): JSX.Element {
    const { r, body } = p;
    const [for_ms, setFor] = useState(body.bounds.for_ms);
    const [uses, setUses] = useState(body.bounds.uses);
    const [less, setLess] = useState<Less>(nothingLess);
    const needs = mine(r);
    const [requirement, setRequirement] = useState(needs[0]?.requirement ?? "");
    const { busy, error, send } = useVote(p);
    const confirm = useRef<HTMLButtonElement>(null);
    useLayoutEffect(() => confirm.current?.focus(), []);
    const stop = obstacle(p);
    const need = needs.find((n) => n.requirement === requirement);
    const left = need ? missing(need) : 1;
    const narrowing = { ...(for_ms < body.bounds.for_ms ? { for_ms } : {}), ...(uses !== body.bounds.uses ? { uses } : {}), ...narrowingOf(less, body) };
    function submit(e: Event): void {
        e.preventDefault();
        if (stop || busy) return;
        void send({ decision: "approve", ...(takesPasskey(need) ? { withPasskey: true } : {}), ...(requirement ? { requirement } : {}), ...(Object.keys(narrowing).length ? { narrowing } : {}) });
    }
    return (
        <form class="panel" onSubmit={submit} aria-labelledby="approve-title">
            <h2 id="approve-title" class="panel-title">{r.can.cancel ? "Show that it is you who asks:" : "Approve"} {r.code}</h2>
            <p class="outcome">
                {left > 1 && <>Yours is one of {left} approvals that are missing for {requirement}. With all of them, </>}
                <Pieces of={outcome(r, body, for_ms, uses)} />
            </p>
            {lessWords(less, body).map((l) => <p key={l}><Safe text={l} /></p>)}
            <div class="choices">
                {shorter(body.bounds.for_ms).length > 0 && (
                    <label>For how long
                        <select value={String(for_ms)} onChange={(e) => setFor(Number(e.currentTarget.value))}>
                            <option value={String(body.bounds.for_ms)}>{duration(body.bounds.for_ms)}, as asked</option>
                            {shorter(body.bounds.for_ms).map((ms) => <option key={ms} value={String(ms)}>only {duration(ms)}</option>)}
                        </select>
                    </label>
                )}
                {body.bounds.uses !== 1 && (
                    <label>How often
                        <select value={String(uses)} onChange={(e) => setUses(Number(e.currentTarget.value))}>
                            <option value={String(body.bounds.uses)}>{usesWords(body.bounds.uses)}, as asked</option>
                            {[1, 10].filter((n) => body.bounds.uses === 0 || n < body.bounds.uses).map((n) => <option key={n} value={String(n)}>{usesWords(n)}</option>)}
                        </select>
                    </label>
                )}
                {needs.length > 1 && (
                    <label>Counts for
                        <select value={requirement} onChange={(e) => setRequirement(e.currentTarget.value)}>
                            {needs.map((n) => <option key={n.requirement} value={n.requirement}>{n.requirement}</option>)}
                        </select>
                    </label>
                )}
            </div>
            {body.scope && <LessForm less={less} set={setLess} body={body} />}
            {error != null && <Trouble error={error} />}
            {stop && <p class="bad">Not now: <Safe text={stop} />.</p>}
            <div class="buttons">
                <button type="submit" class="button yes full" ref={confirm} disabled={busy || stop !== ""}>{need?.kind === "mfa" ? "Yes, it is me" : takesPasskey(need) ? "Yes, approve with my passkey" : "Yes, approve"}</button>
                <button type="button" class="button" onClick={() => p.setPanel("")}>Back</button>
            </div>
        </form>
    );
}

function Deny(p: Props): JSX.Element {
    const { r } = p;
    const [reason, setReason] = useState("");
    const { busy, error, send } = useVote(p);
    const field = useRef<HTMLTextAreaElement>(null);
    useLayoutEffect(() => field.current?.focus(), []);
    function submit(e: Event): void {
        e.preventDefault();
        if (!busy && reason.trim()) void send({ decision: "deny", reason: reason.trim() });
    }
    return (
        <form class="panel" onSubmit={submit} aria-labelledby="deny-title">
            <h2 id="deny-title" class="panel-title">Deny {r.code}</h2>
            <label for="reason">Why? <Name text={r.requester.name} /> reads this.</label>
            <textarea id="reason" rows={2} maxLength={2000} required value={reason} ref={field} onInput={(e) => setReason(e.currentTarget.value)}
                onKeyDown={(e) => {
                    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) submit(e);
                }} />
            {error != null && <Trouble error={error} />}
            <div class="buttons">
                <button type="submit" class="button no full" disabled={busy || !reason.trim()}>Deny</button>
                <button type="button" class="button" onClick={() => p.setPanel("")}>Back</button>
            </div>
        </form>
    );
}

/** For those who have voted, whom it waits for; for others, why they cannot. */
function WhyNot({ r }: { r: Request }): JSX.Element {
    const voted = r.votes.some((v) => v.person === me.value?.person.name);
    if (!voted) return <p class="whynot">You cannot decide this: <Safe text={r.can.why_not || "you are not among its approvers"} />.</p>;
    const waits = r.needs.map((alt) => alt.filter((n) => missing(n) > 0).map((n) => `${missing(n)} more ${n.requirement} (${n.who.join(", ") || "nobody may"})`).join(" and "));
    return <p class="whynot">Your approval counts. It waits for <Safe text={waits.join(", or ")} />.</p>;
}

/** The bar at the foot of a pending request. */
export function Decide(p: Props): JSX.Element {
    const { r, panel, setPanel } = p;
    const stop = obstacle(p);
    useLayoutEffect(() => {
        pageKeys.set("a", () => {
            if (!stop) setPanel("approve");
            else said.value = `Approve is off: ${stop}`;
        });
        pageKeys.set("d", () => r.can.deny && setPanel("deny"));
        return () => {
            pageKeys.delete("a");
            pageKeys.delete("d");
        };
    });
    if (!r.can.approve && !r.can.deny) return <div class="bar"><WhyNot r={r} /></div>;
    return (
        <div class="bar" role="region" aria-label="Decide">
            {panel === "approve" && <Approve {...p} />}
            {panel === "deny" && <Deny {...p} />}
            {panel === "" && (
                <>
                    {stop && <p class="whynot" id="whynot">Approve is off: <Safe text={stop} />. {p.unseen > 0 && <button type="button" class="more" onClick={p.showAll}>Show all</button>}</p>}
                    <div class="buttons">
                        <button type="button" class="button yes full" disabled={stop !== ""} aria-describedby={stop ? "whynot" : undefined} onClick={() => setPanel("approve")}>{r.can.cancel ? "Show that it is you …" : "Approve …"}</button>
                        {!r.can.cancel && <button type="button" class="button no" disabled={!r.can.deny} onClick={() => setPanel("deny")}>Deny …</button>}
                    </div>
                </>
            )}
        </div>
    );
}
