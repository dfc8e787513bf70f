// Approving less than was asked: fewer things, rows and statements, a later beginning, an earlier end.
import type { JSX } from "preact";
import type { Body, Ref } from "../types";
import { budgetWords, label } from "../words";

export interface Less { rows: string; statements: string; from: string; until: string; without: string[] } // without: labels
export const nothingLess: Less = { rows: "", statements: "", from: "", until: "", without: [] };

const resources = (body: Body): Ref[] => body.scope?.resources ?? [];
const kept = (less: Less, body: Body): Ref[] => resources(body).filter((r) => !less.without.includes(label(r)));
const number = (key: string, text: string): Record<string, number> => (text.trim() ? { [key]: Number(text) } : {});

export function narrowingOf(less: Less, body: Body): Record<string, unknown> {
    return {
        ...number("rows", less.rows), ...number("statements", less.statements), ...(less.from ? { from_ms: new Date(less.from).getTime() } : {}),
        ...(less.until ? { until_ms: new Date(less.until).getTime() } : {}), ...(less.without.length ? { resources: kept(less, body) } : {}),
    };
}

/** What the approval then gives less, a sentence each. */
export function lessWords(less: Less, body: Body): string[] {
    const time = (at: string): string => new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    const budget = budgetWords({ for_ms: 0, uses: 0, ...number("rows", less.rows), ...number("statements", less.statements) });
    return [
        ...(less.without.length ? [`Only on ${kept(less, body).map(label).join(", ") || "nothing"}.`] : []), ...(budget ? [`At most ${budget}.`] : []),
        ...(less.from ? [`Not before ${time(less.from)}.`] : []), ...(less.until ? [`Not after ${time(less.until)}.`] : []),
    ];
}

export function LessForm({ less, set, body }: { less: Less; set: (l: Less) => void; body: Body }): JSX.Element {
    const all = resources(body).map(label);
    const drop = (name: string, on: boolean): void => set({ ...less, without: on ? less.without.filter((x) => x !== name) : [...less.without, name] });
    return (
        <details>
            <summary>Approve less than was asked</summary>
            <div class="panel">
                {all.length > 1 && (
                    <fieldset><legend>Only on</legend>
                        {all.map((name) => <label class="check" key={name}><input type="checkbox" checked={!less.without.includes(name)} disabled={!less.without.includes(name) && kept(less, body).length === 1} onChange={(e) => drop(name, e.currentTarget.checked)} /> {name}</label>)}
                    </fieldset>
                )}
                <div class="choices">
                    <label>At most so many rows<input type="number" min={1} value={less.rows} onInput={(e) => set({ ...less, rows: e.currentTarget.value })} /></label>
                    <label>At most so many statements<input type="number" min={1} value={less.statements} onInput={(e) => set({ ...less, statements: e.currentTarget.value })} /></label>
                    <label>Not before<input type="datetime-local" value={less.from} onInput={(e) => set({ ...less, from: e.currentTarget.value })} /></label>
                    <label>Not after<input type="datetime-local" value={less.until} onInput={(e) => set({ ...less, until: e.currentTarget.value })} /></label>
                </div>
            </div>
        </details>
    );
}
