// A change of phi itself: what it comes to, and for a policy what would be other than now.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import { changeOf, changeWords, diff, hunks, type Change, type DiffLine } from "../change";
import type { Body, Request } from "../types";
import { Safe, Section } from "./parts";
import { Trouble } from "./trouble";

const parts = ["policies", "requirements", "schema"] as const;
type Bundle = Record<(typeof parts)[number], string> & { version: number };

const marks: Record<DiffLine["is"], [string, string]> = { same: [" ", ""], new: ["+", "new: "], old: ["−", "goes: "] };

function Lines({ of }: { of: (DiffLine | null)[] }): JSX.Element {
    return (
        <div class="sheet diff">
            {of.map((l, i) => l === null
                ? <p key={i} class="quiet">…</p>
                : <p key={i} class={l.is}><span aria-hidden="true">{marks[l.is][0]} </span><span class="sr">{marks[l.is][1]}</span><code class="exact"><Safe text={l.text} /></code></p>)}
        </div>
    );
}

function Part({ name, was, will }: { name: string; was: string; will: string }): JSX.Element {
    const lines = was === will ? [] : diff(was, will);
    return (
        <>
            <h3>{name}{was === will && " stay as they are"}</h3>
            {lines === null ? <p class="quiet">Too long to compare here; the whole text stands below.</p> : lines.length > 0 && <Lines of={hunks(lines)} />}
        </>
    );
}

function PolicyDiff({ c }: { c: Change }): JSX.Element {
    const [now, setNow] = useState<Bundle | null>(null);
    const [error, setError] = useState<unknown>(null);
    useEffect(() => void call<Bundle>("GET", "/v1/bundle").then(setNow, setError), []);
    const will = (name: string): string => (typeof c.body?.[name] === "string" ? (c.body[name] as string) : "");
    if (error != null) return <Trouble error={error} />;
    if (!now) return <p class="quiet" role="status">Comparing with what is live …</p>;
    return <>{parts.map((p) => <Part key={p} name={p} was={now[p]} will={will(p)} />)}</>;
}

/** Nothing for a request that is no change of phi. */
export function ChangeWords({ r, body }: { r: Request; body: Body }): JSX.Element | null {
    const c = changeOf(body);
    if (!c) return null;
    return (
        <Section title="What would change" id="change">
            <p class="lead"><Safe text={r.requester.name} /> wants to <b><Safe text={changeWords(c)} /></b>. The approval that completes this makes the change at once, as it stands below.</p>
            {c.route === "PUT /v1/bundle" && r.status === "pending" && <PolicyDiff c={c} />}
        </Section>
    );
}
