// Which stretches of a statement are what, for light colouring only: nothing is decided by it. PostgreSQL's lexical rules
// (chapter 4.1) with standard_conforming_strings on, which the gateway pins.

export type TokenKind = "keyword" | "string" | "name" | "number" | "comment" | "param" | "other";
export interface Token { kind: TokenKind; from: number; to: number }

const keywords = new Set(
    ("add all alter analyze and any as asc begin between by call cascade case cast checkpoint cluster collate column comment commit " +
        "concurrently conflict constraint copy create cross cube current database deallocate declare default delete desc discard distinct do " +
        "drop each else end except execute exists explain extension fetch filter for force foreign from full function grant group grouping having if " +
        "in index inner insert instead intersect into is isnull join key lateral leading left like limit listen load lock materialized " +
        "merge natural not nothing notify notnull null of offset on only or order outer over partition policy prepare primary privileges " +
        "procedure program publication references refresh reindex release reset restrict returning revoke right role rollback row rows rule " +
        "savepoint schema security select sequence server session set setof similar some start statement table tablespace temp temporary " +
        "then to trailing transaction trigger truncate type union unique unlisten unlogged update user using vacuum values view when where " +
        "window with without").split(" "),
);

const word = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;
const number = /(?:0[xXoObB][0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)/y;
const dollar = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;
const param = /\$[0-9]+/y;

function match(re: RegExp, s: string, at: number): string | null {
    re.lastIndex = at;
    return re.exec(s)?.[0] ?? null;
}

/** The end of a quoted stretch that begins with `quote` at `at`; a doubled quote goes on, with `escapes` a backslash too. */
function quotedEnd(s: string, at: number, quote: string, escapes: boolean): number {
    for (let i = at + 1; i < s.length; i++) {
        if (escapes && s[i] === "\\") i++;
        else if (s[i] === quote && s[i + 1] === quote) i++;
        else if (s[i] === quote) return i + 1;
    }
    return s.length;
}

/** Block comments nest. */
function commentEnd(s: string, at: number): number {
    let depth = 0;
    for (let i = at; i < s.length; i++) {
        if (s.startsWith("/*", i)) depth++, i++;
        else if (s.startsWith("*/", i)) {
            i++;
            if (--depth === 0) return i + 1;
        }
    }
    return s.length;
}

function wordToken(s: string, at: number): Token {
    const w = match(word, s, at)!;
    const end = at + w.length;
    const next = s[end];
    if (next === "'" && /^[eEbBxXnN]$/.test(w)) return { kind: "string", from: at, to: quotedEnd(s, end, "'", /[eE]/.test(w)) };
    if (/^[uU]$/.test(w) && next === "&" && (s[end + 1] === "'" || s[end + 1] === '"'))
        return { kind: s[end + 1] === "'" ? "string" : "name", from: at, to: quotedEnd(s, end + 1, s[end + 1]!, false) };
    return { kind: keywords.has(w.toLowerCase()) ? "keyword" : "other", from: at, to: end };
}

function tokenAt(s: string, at: number): Token {
    const c = s[at]!;
    if (s.startsWith("--", at)) {
        const end = /[\r\n]/g;
        end.lastIndex = at;
        const m = end.exec(s);
        return { kind: "comment", from: at, to: m ? m.index : s.length };
    }
    if (s.startsWith("/*", at)) return { kind: "comment", from: at, to: commentEnd(s, at) };
    if (c === "'") return { kind: "string", from: at, to: quotedEnd(s, at, "'", false) };
    if (c === '"') return { kind: "name", from: at, to: quotedEnd(s, at, '"', false) };
    const tag = c === "$" ? match(dollar, s, at) : null;
    if (tag) {
        const end = s.indexOf(tag, at + tag.length);
        return { kind: "string", from: at, to: end < 0 ? s.length : end + tag.length };
    }
    const simple: [RegExp, TokenKind][] = [[param, "param"], [number, "number"]];
    for (const [re, kind] of simple) {
        const m = match(re, s, at);
        if (m) return { kind, from: at, to: at + m.length };
    }
    if (match(word, s, at)) return wordToken(s, at);
    return { kind: "other", from: at, to: at + 1 };
}

/** Tokens that cover all of s, in order; neighbours of kind "other" are one. */
export function tokens(s: string): Token[] {
    const out: Token[] = [];
    for (let at = 0; at < s.length; ) {
        const t = tokenAt(s, at);
        const last = out[out.length - 1];
        if (last && last.kind === "other" && t.kind === "other") last.to = t.to;
        else out.push(t);
        at = t.to;
    }
    return out;
}
