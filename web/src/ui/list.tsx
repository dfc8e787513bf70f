// Lines of requests: the inbox, and one's own.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { getRequests } from "../live";
import { before } from "../route";
import { happened, inbox, me } from "../state";
import { statements } from "../shown";
import { byteLength, count, cutAt } from "../text";
import type { Body, Request, Timed } from "../types";
import { doing, fate, headline, pairs, worst } from "../words";
import { Left, Pieces, Safe } from "./parts";
import { Trouble } from "./trouble";

const PREVIEW = 120;

function Preview({ body }: { body: Body }): JSX.Element | null {
    const all = statements(body);
    const first = all[0];
    if (!first) return null;
    const cut = cutAt(first.text, PREVIEW, 2);
    const more = all.reduce((n, s) => n + s.bytes, 0) - byteLength(first.text.slice(0, cut));
    return (
        <span class="preview"><code><Safe text={first.text.slice(0, cut).replace(/\s+/g, " ")} /></code>{more > 0 && <span class="quiet"> + {count(more)} more bytes</span>}</span>
    );
}

function Why({ text }: { text: string }): JSX.Element {
    const cut = cutAt(text, PREVIEW, 2);
    return (
        <span class="why">“<Safe text={text.slice(0, cut)} />”{cut < text.length && <span class="quiet"> + {count(byteLength(text.slice(cut)))} more bytes</span>}</span>
    );
}

function safely(body: Body | null): Body | null {
    try {
        if (body) statements(body);
        return body;
    } catch {
        return null;
    }
}

export function Line({ r, gone, own }: { r: Timed<Request>; gone: string; own?: boolean }): JSX.Element {
    const body = safely(r.body);
    const risk = body ? worst(pairs(body).map((p) => p.action)) : "admin";
    const focus = before.value.code === r.code;
    const ref = useRef<HTMLAnchorElement>(null);
    useEffect(() => {
        if (focus) ref.current?.focus();
    }, []);
    return (
        <li class={`line ${gone ? "gone" : ""}`}>
            <a href={`/r/${r.code}`} data-item class={`ticket ${risk}`} ref={ref}>
                <span class="stub"><span class="code">{r.code}</span>{!gone && <Left ends={r.ends} />}</span>
                <span class="gist">
                    <span class="what">{body ? <Pieces of={own ? doing(body) : headline(r, body)} /> : <Safe text={`${r.requester.name}: ${r.summary}`} />}</span>
                    {body && <Preview body={body} />}
                    {r.why && <Why text={r.why} />}
                    {gone && <span class="fate">{gone}</span>}
                </span>
            </a>
        </li>
    );
}

export function Inbox(): JSX.Element {
    const items = inbox.value;
    if (!items) return <p class="quiet" role="status">Reading the inbox …</p>;
    if (!items.length)
        return (
            <div class="empty">
                <p class="lead">Nothing waits for you.</p>
                <p>When somebody tries something that needs your approval, it appears here by itself; leave this page open. What you asked for yourself is under <a href="/#mine">Mine</a>.</p>
            </div>
        );
    return <ul class="lines">{items.map((i) => <Line key={i.request.id} r={i.request} gone={i.gone} />)}</ul>;
}

/** Reads again on every event, and keeps what it had while it reads. */
export function useFresh<T>(read: () => Promise<T>): { value: T | undefined; error: unknown; again: () => void } {
    const [value, setValue] = useState<T>();
    const [error, setError] = useState<unknown>(null);
    const [n, setN] = useState(0);
    const event = happened.value.n;
    useEffect(() => {
        let here = true;
        read().then((v) => here && (setValue(v), setError(null)), (e: unknown) => here && setError(e));
        return () => {
            here = false;
        };
    }, [event, n]);
    return { value, error, again: () => setN(n + 1) };
}

export function Mine(): JSX.Element {
    const { value, error } = useFresh(() => getRequests("mine", "all", 50));
    if (error) return <Trouble error={error} />;
    if (!value) return <p class="quiet" role="status">Reading …</p>;
    if (!value.length)
        return (
            <div class="empty">
                <p class="lead">You have asked for nothing yet.</p>
                <p>Work as always: what needs an approval is held and appears here. Or <a href="/#ask">ask beforehand</a>; on the command line: <code>phi request pg:write shop/public.orders --for 10m -m "why"</code></p>
            </div>
        );
    return (
        <>
            <p class="asklink"><a class="button" href="/#ask">Ask for something …</a></p>
            <ul class="lines">{value.map((r) => <Line key={r.id} r={r} own gone={fate(r, me.value?.person.name ?? "")} />)}</ul>
        </>
    );
}
