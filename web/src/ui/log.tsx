// The newest entries of the log, and the signed head that they are under.
import type { JSX } from "preact";
import { call, text } from "../api";
import { me } from "../state";
import { useFresh } from "./list";
import { Pieces, Safe } from "./parts";
import { Trouble } from "./trouble";
import type { Ref } from "../types";

const SHOWN = 50;
interface Entries { size: number; entries: string[] }
interface Entry { n: number; t: number; ev: string; by?: Ref; req?: string; code?: string; outcome?: string; tag?: string; rows?: number; count?: number }

async function newest(): Promise<{ size: number; from: number; entries: string[]; checkpoint: string }> {
    const { size } = await call<Entries>("GET", "/v1/log/entries?from=0&limit=1");
    const from = Math.max(0, size - SHOWN);
    const [got, checkpoint] = await Promise.all([
        call<Entries>("GET", `/v1/log/entries?from=${from}&limit=${SHOWN}`),
        text("/v1/log/checkpoint").catch(() => ""),
    ]);
    return { size, from, entries: got.entries, checkpoint };
}

function who(by: Ref | undefined): string {
    if (!by) return "";
    if (by.id === me.value?.person.id) return "you";
    return by.type === "Person" ? `person ${by.id.slice(-8)}` : `${by.type.toLowerCase()} ${by.id}`;
}

function detail(e: Entry): string {
    const parts = [e.outcome, e.tag, e.rows !== undefined ? `${e.rows} rows` : "", e.count !== undefined ? `${e.count} allowed` : ""];
    return parts.filter(Boolean).join(" · ");
}

function Row({ raw }: { raw: string }): JSX.Element {
    let e: Entry;
    try {
        e = JSON.parse(raw) as Entry;
    } catch {
        return <li class="entry"><p class="bad">An entry that is no JSON:</p><code class="exact"><Safe text={raw} /></code></li>;
    }
    const time = new Date(e.t);
    const said = detail(e);
    return (
        <li class="entry">
            <details>
                <summary data-item>
                    <span class="n">{e.n}</span>
                    <time dateTime={time.toISOString()}>{time.toLocaleTimeString()}</time>
                    <b class="ev">{e.ev}</b>
                    <span class="quiet"><Safe text={who(e.by)} />{said && <> · <Safe text={said} /></>}</span>
                </summary>
                {e.req && <p><a href={`/r/${encodeURIComponent(e.code ?? e.req)}`}>Open the request</a></p>}
                <code class="exact"><Safe text={raw} /></code>
            </details>
        </li>
    );
}

export function Log(): JSX.Element {
    const { value, error } = useFresh(newest);
    if (error) return <Trouble error={error} />;
    if (!value) return <p class="quiet" role="status">Reading …</p>;
    return (
        <>
            <p class="quiet">{value.from > 0 ? <Pieces of={[{ text: `The newest ${SHOWN} of ${value.size} entries. All of them, proven: ` }]} /> : `${value.size} entries. Proven: `}<code>phi log verify</code></p>
            <ol class="entries" reversed>{[...value.entries].reverse().map((raw) => <Row key={raw} raw={raw} />)}</ol>
            <section aria-labelledby="head" class="part">
                <h2 id="head">Signed head</h2>
                {value.checkpoint
                    ? <pre class="exact" tabIndex={0}>{value.checkpoint}</pre>
                    : <p class="quiet">Nothing is signed yet.</p>}
            </section>
        </>
    );
}
