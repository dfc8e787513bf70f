// What somebody fills in when they ask, and what is sent for it. No page in here, so that tests can read it.
import { dayNames, label, plain, windowWords, budgetWords, usesWords, doing, type Piece } from "./words";
import { duration } from "./text";
import type { Body, Bounds, Ref, Window } from "./types";

export interface Hours { days: number[]; from: string; minutes: number }
export interface Form {
    target: string;
    actions: string; // separated by spaces
    resources: string; // one a line
    why: string;
    ticket: string;
    for_ms: number;
    uses: string; // "" any number
    from: string; // of a datetime-local input, "" at once
    until: string;
    statements: string;
    rows: string;
    bytes: string;
    hours: Hours[];
    behalf: string; // names, separated by commas
    watchers: string;
    suggested: string;
    glass: boolean;
}

export const blank: Form = {
    target: "", actions: "pg:write", resources: "", why: "", ticket: "", for_ms: 600000, uses: "", from: "", until: "", statements: "", rows: "", bytes: "",
    hours: [], behalf: "", watchers: "", suggested: "", glass: false,
};

const MIN = 60000, HOUR = 60 * MIN, DAY = 24 * HOUR;
export const lengths = [5 * MIN, 10 * MIN, 15 * MIN, 30 * MIN, HOUR, 4 * HOUR, 8 * HOUR, DAY, 7 * DAY, 30 * DAY, 90 * DAY];

const two = (n: number): string => String(n).padStart(2, "0");
const clock = (min: number): string => `${two(Math.floor(min / 60) % 24)}:${two(min % 60)}`;
const minutesOf = (at: string): number => Number(at.slice(0, 2)) * 60 + Number(at.slice(3, 5));
function local(ms: number | undefined): string {
    if (ms === undefined) return "";
    const d = new Date(ms);
    return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}`;
}
const words = (s: string): string[] => s.split(",").map((x) => x.trim()).filter(Boolean);
const lines = (s: string): string[] => s.split("\n").map((x) => x.trim()).filter(Boolean);
const given = (n: number | undefined): string => (n ? String(n) : "");

/** The form of a request that is there, to change it or to go on from it. */
export function formOf(body: Body): Form {
    const b = body.bounds;
    return {
        ...blank, target: label(body.target), actions: (body.scope?.actions ?? []).join(" "), resources: (body.scope?.resources ?? []).map(label).join("\n"),
        why: body.why, ticket: body.ticket, for_ms: b.for_ms, uses: given(b.uses), from: local(b.from_ms), until: local(b.until_ms),
        statements: given(b.statements), rows: given(b.rows), bytes: given(b.bytes),
        hours: (b.windows ?? []).map((w) => ({ days: w.days, from: clock(w.from_min), minutes: w.for_min })),
    };
}

const windowOf = (h: Hours): Window => ({ days: [...h.days].sort((a, b) => a - b), for_min: h.minutes, from_min: minutesOf(h.from) });
const number = (key: string, text: string): Record<string, number> => (text.trim() ? { [key]: Number(text) } : {});
const listed = (key: string, names: string[]): Record<string, string[]> => (names.length ? { [key]: names } : {});

/** What is sent. An extension leaves out what it has from its grant; an edit cannot name for whom it is. */
export function sent(f: Form, as: "new" | "edit" | "extend", of: string): Record<string, unknown> {
    const budget = { ...number("statements", f.statements), ...number("rows", f.rows), ...number("bytes", f.bytes) };
    return {
        target: f.target.trim(), why: f.why.trim(), for_ms: f.for_ms,
        ...(as === "extend" ? { extends: of } : { scope: { actions: f.actions.trim().split(/\s+/), resources: lines(f.resources) } }),
        ...(f.ticket.trim() ? { ticket: f.ticket.trim() } : {}), ...number("uses", f.uses),
        ...(f.from ? { from_ms: new Date(f.from).getTime() } : {}), ...(f.until ? { until_ms: new Date(f.until).getTime() } : {}),
        ...(Object.keys(budget).length ? { budget } : {}), ...(f.hours.length ? { windows: f.hours.map(windowOf) } : {}),
        ...(as === "new" ? listed("on_behalf", words(f.behalf)) : {}), ...listed("watchers", words(f.watchers)), ...listed("suggested", words(f.suggested)),
        ...(as === "new" && f.glass ? { break_glass: true } : {}),
    };
}

/** What is still missing, in words; "" when it can be sent. */
export function lacking(f: Form): string {
    if (!f.target.trim()) return "Choose a target.";
    if (!f.actions.trim()) return "Say what you want to do.";
    if (!lines(f.resources).length) return "Say on what, such as shop/public.orders.";
    if (!f.why.trim()) return "Say why: those who decide read it.";
    if (f.hours.some((h) => !h.days.length || !h.from)) return "Choose days and a time for the hours.";
    if (f.from && f.until && f.until <= f.from) return "It would end before it begins.";
    return "";
}

/** The resource as it was written; words.ts writes it back the same. */
function refOf(text: string): Ref {
    const [target = "", rest = ""] = text.split("/");
    const [schema = "", table = "", column = ""] = rest.replace(/\(\)$/, "").split(".");
    const parts = [target, schema, table, column].filter(Boolean);
    const types = ["Target", "Schema", text.endsWith("()") ? "Function" : "Table", "Column"];
    return { type: types[parts.length - 1] ?? "Target", id: JSON.stringify(parts) };
}

/** "You ask to write to shop/public.orders for 10 min, at most 3 times." and what bounds it besides, before anything is sent. */
export function preview(f: Form): { lead: Piece[]; limits: string[] } {
    const bounds: Bounds = { for_ms: f.for_ms, uses: Number(f.uses) || 0, ...number("statements", f.statements), ...number("rows", f.rows), ...number("bytes", f.bytes) };
    const scope = { actions: f.actions.trim().split(/\s+/), resources: lines(f.resources).map(refOf) };
    const body = { scope, bounds, actions: [], target: refOf(f.target.trim()) } as unknown as Body;
    const time = (at: string): string => new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    return {
        lead: [{ text: f.glass ? "You will at once be able to " : "You ask to " }, ...doing(body), { text: ` for ${duration(f.for_ms)}, ${usesWords(bounds.uses)}.` }],
        limits: [
            ...(f.from ? [`It begins on ${time(f.from)}.`] : []), ...(f.until ? [`It ends on ${time(f.until)} at the latest.`] : []),
            ...(budgetWords(bounds) ? [`It is spent after ${budgetWords(bounds)}.`] : []),
            ...f.hours.filter((h) => h.days.length && h.from).map((h) => `It serves ${windowWords(windowOf(h))} only.`),
            ...(words(f.behalf).length ? [`You act for ${words(f.behalf).join(", ")}: each of them must be permitted too, and none of them can approve it.`] : []),
            ...(words(f.watchers).length ? [`${words(f.watchers).join(", ")} will see it.`] : []),
        ],
    };
}

export const previewText = (f: Form): string => plain(preview(f).lead);
export const allDays = dayNames.map((_, i) => i + 1);
