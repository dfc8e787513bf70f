// The texts of a request that are long enough to be cut, so that "all was shown" is a fact and no guess.
import { unb64u } from "./canonical";
import { byteLength, cutAt, decode } from "./text";
import type { Body, Statement } from "./types";

export interface Text { key: string; text: string; bytes: number; cut: number }
export interface Param extends Text { name: string; note: string; quoted: boolean }
export interface ShownStatement extends Text { params: Param[]; results: string; max_rows: number }

const SQL_CHARS = 2000, SQL_LINES = 30;
const PARAM_CHARS = 300, PARAM_LINES = 5;

export function textOf(key: string, text: string, bytes = byteLength(text), chars = SQL_CHARS, lines = SQL_LINES): Text {
    return { key, text, bytes, cut: cutAt(text, chars, lines) };
}

const isText = new Set([0, 18, 19, 25, 114, 142, 705, 1042, 1043]); // unknown, char, name, text, json, xml, unknown, bpchar, varchar
const isInt = new Set([20, 21, 23, 26]);

function hex(b: Uint8Array): string {
    return "x'" + Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("") + "'";
}

/** A parameter in binary form: text types as text, integers as numbers beside their bytes, others as bytes. */
function binary(b: Uint8Array, type: number): { text: string; note: string; quoted: boolean } {
    if (type !== 0 && isText.has(type)) return { text: decode(b), note: "", quoted: true };
    if (isInt.has(type) && (b.length === 2 || b.length === 4 || b.length === 8)) {
        let n = 0n;
        for (const x of b) n = (n << 8n) | BigInt(x);
        const signed = type === 26 ? n : BigInt.asIntN(b.length * 8, n);
        return { text: String(signed), note: `binary ${hex(b)}`, quoted: false };
    }
    return { text: hex(b), note: "binary", quoted: false };
}

function paramOf(s: Statement, i: number, key: string): Param {
    const name = `$${i + 1}`;
    const raw = s.params[i];
    const base = { name, note: "", quoted: false };
    if (raw === null || raw === undefined) return { ...base, ...textOf(key, "NULL", 0) };
    const b = unb64u(raw);
    const format = s.formats.length === 0 ? 0 : s.formats.length === 1 ? s.formats[0] : s.formats[i];
    const shown = format === 0 ? { text: decode(b), note: "", quoted: true } : binary(b, s.types[i] ?? 0);
    return { ...base, ...shown, ...textOf(key, shown.text, b.length, PARAM_CHARS, PARAM_LINES) };
}

function statementOf(s: Statement, n: number): ShownStatement {
    const b = unb64u(s.bytes);
    return {
        ...textOf(`s${n}`, decode(b), b.length),
        params: s.params.map((_, i) => paramOf(s, i, `s${n}p${i}`)),
        results: s.results.some((f) => f === 1) ? "in binary" : "",
        max_rows: s.max_rows ?? 0,
    };
}

/** The statements in the order in which they run; none for a scope. */
export function statements(body: Body): ShownStatement[] {
    const p = body.payload;
    if (!p) return [];
    if (p.kind === "pg-batch") return p.statements.map(statementOf);
    if (p.kind === "pg-query") {
        const b = unb64u(p.bytes);
        return [{ ...textOf("s0", decode(b), b.length), params: [], results: "", max_rows: 0 }];
    }
    return change(p.bytes);
}

/** A change of phi itself: its route, then each member of its body with its own line breaks. */
function change(bytes: string): ShownStatement[] {
    const part = (key: string, text: string): ShownStatement => ({ ...textOf(key, text), params: [], results: "", max_rows: 0 });
    const doc = JSON.parse(decode(unb64u(bytes))) as { route: string; params: string[]; body: Record<string, unknown> | null };
    const of = doc.params.length ? `  of ${doc.params.map((v) => JSON.stringify(v)).join(", ")}` : "";
    const members = Object.entries(doc.body ?? {}).map(([k, v], i) => part(`s${i + 1}`, `${k}:\n${typeof v === "string" ? v : JSON.stringify(v)}`));
    return [part("s0", doc.route + of), ...members];
}

/** Every text of the request that can be cut. */
export function texts(body: Body): Text[] {
    return [...statements(body).flatMap((s) => [s, ...s.params]), textOf("why", body.why)];
}

export const isCut = (t: Text, opened: ReadonlySet<string>): boolean => t.cut < t.text.length && !opened.has(t.key);

/** Bytes of the request that are not on the page yet. */
export function unseen(body: Body, opened: ReadonlySet<string>): number {
    return texts(body).reduce((n, t) => n + (isCut(t, opened) ? byteLength(t.text.slice(t.cut)) : 0), 0);
}
