// Asking beforehand, changing what one asked, going on from a grant: one form, which says what will happen before it is sent.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, every } from "../api";
import { allDays, blank, formOf, lacking, lengths, preview, sent, type Form, type Hours } from "../asking";
import { getRequest } from "../live";
import { go } from "../route";
import { said } from "../state";
import { duration } from "../text";
import type { Grant, Request } from "../types";
import { dayNames } from "../words";
import { Pieces, Safe } from "./parts";
import { Trouble } from "./trouble";

type As = "new" | "edit" | "extend";
type Set = (more: Partial<Form>) => void;
interface Part { f: Form; set: Set; as: As }

const common: [string, string][] = [["pg:read", "read"], ["pg:write", "write (insert, update, delete, truncate)"], ["pg:admin", "anything, as administrator"], ["pg:select", "SELECT"],
    ["pg:insert", "INSERT"], ["pg:update", "UPDATE"], ["pg:delete", "DELETE"], ["pg:truncate", "TRUNCATE"], ["pg:ddl", "change the structure"], ["pg:copy", "COPY"], ["pg:call", "call functions"]];

function Field({ name, id, value, onText, hint, kind }: {
    name: string; id: string; value: string; onText: (v: string) => void; hint?: string; kind?: "number" | "datetime-local";
}): JSX.Element {
    const input = { id, value, onInput: (e: { currentTarget: HTMLInputElement }): void => onText(e.currentTarget.value), ...(hint ? { "aria-describedby": `${id}-hint` } : {}) };
    return (
        <div class="field">
            <label for={id}>{name}</label>
            {kind === "number" ? <input type="number" min={1} {...input} /> : kind ? <input type="datetime-local" {...input} /> : <input autocomplete="off" maxLength={2000} {...input} />}
            {hint && <p class="quiet size" id={`${id}-hint`}>{hint}</p>}
        </div>
    );
}

function What({ f, set, targets }: Part & { targets: string[] }): JSX.Element {
    const known = common.some(([a]) => a === f.actions);
    return (
        <>
            <div class="field">
                <label for="target">Target</label>
                <select id="target" value={f.target} onChange={(e) => set({ target: e.currentTarget.value })}>
                    {!targets.includes(f.target) && <option value={f.target}>{f.target || "choose"}</option>}
                    {targets.map((t) => <option key={t} value={t}>{t}</option>)}
                </select>
            </div>
            <div class="field">
                <label for="actions">What you want to do</label>
                <select id="actions" value={f.actions} onChange={(e) => set({ actions: e.currentTarget.value })}>
                    {!known && <option value={f.actions}>{f.actions}</option>}
                    {common.map(([a, words]) => <option key={a} value={a}>{words}</option>)}
                </select>
            </div>
            <div class="field">
                <label for="resources">On what, one a line</label>
                <textarea id="resources" rows={2} value={f.resources} required aria-describedby="resources-hint" onInput={(e) => set({ resources: e.currentTarget.value })} />
                <p class="quiet size" id="resources-hint">Such as <code>shop/public.orders</code>, <code>shop/public</code> or <code>shop</code>.</p>
            </div>
        </>
    );
}

function HoursOf({ h, n, set, gone }: { h: Hours; n: number; set: (h: Hours) => void; gone: () => void }): JSX.Element {
    const day = (d: number, on: boolean): void => set({ ...h, days: on ? [...h.days, d].sort() : h.days.filter((x) => x !== d) });
    return (
        <fieldset><legend>Hours {n + 1}, by UTC</legend>
            {dayNames.map((name, i) => <label class="check" key={name}><input type="checkbox" checked={h.days.includes(i + 1)} onChange={(e) => day(i + 1, e.currentTarget.checked)} /> {name}</label>)}
            <div class="hours">
                <label>From <input type="time" value={h.from} required onInput={(e) => set({ ...h, from: e.currentTarget.value })} /></label>
                <label>for <input type="number" min={1} max={1440} value={h.minutes} required onInput={(e) => set({ ...h, minutes: Number(e.currentTarget.value) })} /> minutes</label>
                <button type="button" class="plain" onClick={gone}>Remove these hours</button>
            </div>
        </fieldset>
    );
}

function More({ f, set, as }: Part): JSX.Element {
    const hours = (i: number, h: Hours | null): void => set({ hours: f.hours.flatMap((x, k) => (k !== i ? [x] : h ? [h] : [])) });
    return (
        <details open={as !== "new"}>
            <summary>Ticket, limits, hours and people</summary>
            <div class="panel">
                <div class="choices">
                    <Field name="Begins at" id="from" kind="datetime-local" value={f.from} onText={(from) => set({ from })} />
                    <Field name="Ends at the latest" id="until" kind="datetime-local" value={f.until} onText={(until) => set({ until })} />
                    <Field name="At most so many statements" id="statements" kind="number" value={f.statements} onText={(statements) => set({ statements })} />
                    <Field name="At most so many rows" id="rows" kind="number" value={f.rows} onText={(rows) => set({ rows })} />
                    <Field name="At most so many bytes" id="bytes" kind="number" value={f.bytes} onText={(bytes) => set({ bytes })} />
                </div>
                {f.hours.map((h, i) => <HoursOf key={i} h={h} n={i} set={(x) => hours(i, x)} gone={() => hours(i, null)} />)}
                {f.hours.length < 8 && <div class="buttons"><button type="button" class="button" onClick={() => set({ hours: [...f.hours, { days: allDays, from: "02:00", minutes: 60 }] })}>{f.hours.length ? "More hours each week …" : "Only at certain hours each week …"}</button></div>}
                <Field name="Ticket" id="ticket" value={f.ticket} onText={(ticket) => set({ ticket })} />
                {as === "new" && <Field name="You act for (names, with commas)" id="behalf" value={f.behalf} onText={(behalf) => set({ behalf })} />}
                <Field name="Who should see it (names, with commas)" id="watchers" value={f.watchers} onText={(watchers) => set({ watchers })} hint="They are told, and have no vote." />
                <Field name="Who might approve it (names, with commas)" id="suggested" value={f.suggested} onText={(suggested) => set({ suggested })} />
                {as === "new" && <label class="check"><input type="checkbox" checked={f.glass} onChange={(e) => set({ glass: e.currentTarget.checked })} /> Break the glass: act at once, where a policy has that; somebody else reviews it before your next</label>}
            </div>
        </details>
    );
}

function Preview({ f }: { f: Form }): JSX.Element {
    const lack = lacking(f);
    const { lead, limits } = preview(f);
    return (
        <div class="sheet" role="status" aria-label="What will happen">
            {lack ? <p class="quiet">{lack}</p> : (
                <>
                    <p class="outcome"><Pieces of={lead} /></p>
                    {limits.map((l) => <p key={l}><Safe text={l} /></p>)}
                    <p class={f.glass ? "glass" : "quiet"}>{f.glass ? "Nobody approves it. Everybody concerned is told at once, and somebody else must review it." : "The policy says who must approve it; they see exactly this."}</p>
                </>
            )}
        </div>
    );
}

const titles: Record<As, string> = { new: "Ask", edit: "Change what you asked", extend: "Go on for longer" };
type Answer = Request | { verdict: "allow" } | { verdict: "grant"; grant: Grant };

const everyTarget = async (): Promise<string[]> => (await every<{ name: string }>("/v1/targets", "targets")).map((t) => t.name);

function Ready({ first, as, of, code }: { first: Form; as: As; of: string; code: string }): JSX.Element {
    const [f, setF] = useState(first);
    const [targets, setTargets] = useState<string[]>([]);
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<unknown>(null);
    const set: Set = (more) => setF({ ...f, ...more });
    useEffect(() => void everyTarget().then(setTargets, setError), []);
    async function send(e: Event): Promise<void> {
        e.preventDefault();
        if (busy || lacking(f)) return;
        setBusy(true);
        setError(null);
        try {
            const edit = as === "edit";
            const a = await call<Answer>(edit ? "PUT" : "POST", edit ? `/v1/requests/${encodeURIComponent(of)}` : "/v1/requests", sent(f, as, of));
            if (!("verdict" in a)) said.value = edit ? "Changed. Votes on what it was are void." : "Asked.";
            else said.value = a.verdict === "allow" ? "This needs no approval: just do it." : "You may at once.";
            if (!("verdict" in a)) go(`/r/${a.code}`);
            else if (a.verdict === "grant") go(`/r/${a.grant.code}`);
            else setError(new Error("This needs no approval: just do it."));
        } catch (x) {
            setError(x);
        }
        setBusy(false);
    }
    return (
        <form class="panel ask" onSubmit={(e) => void send(e)} aria-labelledby="title">
            {as === "edit" && <p>You change <a class="code" href={`/r/${code}`}>{code}</a>. Whoever has voted must vote again, on what it then is.</p>}
            {as === "extend" && <p>A new request, bound to your grant <a class="code" href={`/r/${code}`}>{code}</a>: the same things, no more uses, rows or hours than it has.</p>}
            {as === "extend" ? <p class="sheet"><Safe text={`${f.actions} on ${f.resources.split("\n").join(", ")}`} /></p> : <What f={f} set={set} as={as} targets={targets} />}
            <div class="field">
                <label for="why">Why? Those who decide read this.</label>
                <textarea id="why" rows={2} maxLength={2000} required value={f.why} onInput={(e) => set({ why: e.currentTarget.value })} />
            </div>
            <div class="choices">
                <label>For how long
                    <select value={String(f.for_ms)} onChange={(e) => set({ for_ms: Number(e.currentTarget.value) })}>
                        {[...new Set<number>([...lengths, f.for_ms])].sort((a, b) => a - b).map((ms) => <option key={ms} value={String(ms)}>{duration(ms)}</option>)}
                    </select>
                </label>
                <label>How often
                    <select value={f.uses} onChange={(e) => set({ uses: e.currentTarget.value })}>
                        {[...new Set(["", "1", "5", "10", f.uses])].map((n) => <option key={n} value={n}>{n === "" ? "any number of times" : n === "1" ? "once" : `at most ${n} times`}</option>)}
                    </select>
                </label>
            </div>
            <More f={f} set={set} as={as} />
            <Preview f={f} />
            {error != null && <Trouble error={error} />}
            <div class="buttons">
                <button type="submit" class="button yes full" disabled={busy || lacking(f) !== ""}>{f.glass ? "Break the glass now" : as === "edit" ? "Change it" : "Ask for this"}</button>
                <button type="button" class="button" onClick={() => history.back()}>Back</button>
            </div>
        </form>
    );
}

/** `which` is "" for a new request, or "edit:CODE" or "extend:CODE". */
export function Ask({ which }: { which: string }): JSX.Element {
    const [as, code] = which ? (which.split(":") as [As, string]) : (["new", ""] as [As, string]);
    const [r, setR] = useState<Request | null>(null);
    const [error, setError] = useState<unknown>(null);
    useEffect(() => {
        if (code) getRequest(code).then(setR, setError);
    }, [code]);
    const body = r?.body;
    const id = as === "extend" ? r?.grant?.id : r?.id;
    return (
        <>
            <h1 tabIndex={-1} id="title" class="tabtitle">{titles[as] ?? "Ask"}</h1>
            {error != null && <Trouble error={error} />}
            {!code ? <Ready first={blank} as="new" of="" code="" />
                : body?.scope && id ? <Ready first={as === "extend" ? { ...formOf(body), why: "", from: "", until: "" } : formOf(body)} as={as} of={id} code={code} />
                : r ? <p class="bad" role="alert">This cannot be {as === "extend" ? "extended" : "changed"}: it is for exact bytes, or it has ended.</p>
                : error == null && <p class="quiet" role="status">Reading …</p>}
        </>
    );
}
