// Small things that pages share.
import type { ComponentChildren, JSX } from "preact";
import { now } from "../state";
import { tokens } from "../sql";
import { count, duration, runs, type Run } from "../text";
import type { Text } from "../shown";
import { isCut } from "../shown";
import { byteLength } from "../text";
import type { Piece } from "../words";

const Runs = ({ of }: { of: Run[] }): JSX.Element => (
    <>{of.map((r) => (r.odd ? <span class="odd" title="a character that cannot be seen as it is">{r.text}</span> : r.text))}</>
);

/** Text from outside on one line: what is invisible stands escaped. */
export const Safe = ({ text }: { text: string }): JSX.Element => <Runs of={runs(text, false)} />;

export const Name = ({ text }: { text: string }): JSX.Element => <bdi class="name"><Safe text={text} /></bdi>;

export const Pieces = ({ of }: { of: Piece[] }): JSX.Element => (
    <>{of.map((p) => (p.as === "verb" ? <b class="verb"><Safe text={p.text} /></b> : p.as === "name" ? <Name text={p.text} /> : p.text))}</>
);

const COLOUR_UPTO = 60000; // a longer text is shown plain: colouring it would make the page slow, and it would not be read by colour

function coloured(s: string): ComponentChildren {
    if (s.length > COLOUR_UPTO) return <Runs of={runs(s, true)} />;
    return tokens(s).map((t) => {
        const shown = <Runs of={runs(s, true, t.from, t.to)} />;
        return t.kind === "other" ? shown : <span class={`sql-${t.kind}`}>{shown}</span>;
    });
}

/** A text in full, or up to its cut with a button that says how much more there is. */
export function Cuttable({ of, opened, open, sql, quoted }: {
    of: Text; opened: ReadonlySet<string>; open: (key: string) => void; sql?: boolean; quoted?: boolean;
}): JSX.Element {
    const cut = isCut(of, opened);
    const shown = cut ? of.text.slice(0, of.cut) : of.text;
    const q = quoted ? "'" : "";
    return (
        <>
            <code class="exact">{q}{sql ? coloured(shown) : <Runs of={runs(shown, true)} />}{cut ? "" : q}</code>
            {cut && (
                <button type="button" class="more" onClick={() => open(of.key)}>
                    {count(byteLength(of.text.slice(of.cut)))} more bytes — show all
                </button>
            )}
        </>
    );
}

/** Time left, counting down. */
export function Left({ ends, over = "over" }: { ends: number; over?: string }): JSX.Element {
    const ms = ends - now.value;
    return <span class={ms < 60000 ? "left soon" : "left"}>{ms > 0 ? duration(ms) : over}</span>;
}

export const Section = ({ title, id, children }: { title: string; id: string; children: ComponentChildren }): JSX.Element => (
    <section aria-labelledby={id} class="part">
        <h2 id={id}>{title}</h2>
        {children}
    </section>
);

export const Fact = ({ name, children }: { name: string; children: ComponentChildren }): JSX.Element => (
    <div class="fact"><dt>{name}</dt><dd>{children}</dd></div>
);

export const Bad = ({ loud, children }: { loud?: boolean; children: ComponentChildren }): JSX.Element => <p class={loud ? "bad loud" : "bad"} role="alert">{children}</p>;

export function when(iso: string): string {
    const d = new Date(iso);
    return Number.isNaN(d.getTime()) ? iso : d.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

export const errorText = (e: unknown): string => (e instanceof Error ? e.message : String(e));
