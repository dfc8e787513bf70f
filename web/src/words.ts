// What a request means, in plain words. Built from the body that the digest is over, never from a summary.
import { changeOf, changeWords } from "./change";
import { duration, plural } from "./text";
import type { Body, Bounds, Window, Grant, Need, Pair, Ref, Request, Scope } from "./types";

/** How bad it can get: read, write, or what is classed as administration (which is also all that phi does not know). */
export type Risk = "read" | "write" | "admin";

interface Phrase { risk: Risk; verb: string; link: string }

const phrases: Record<string, Phrase> = {
    "pg:connect": { risk: "read", verb: "connect", link: "to" },
    "pg:select": { risk: "read", verb: "SELECT", link: "from" },
    "pg:read": { risk: "read", verb: "read", link: "from" },
    "pg:insert": { risk: "write", verb: "INSERT", link: "into" },
    "pg:update": { risk: "write", verb: "UPDATE", link: "" },
    "pg:delete": { risk: "write", verb: "DELETE", link: "from" },
    "pg:truncate": { risk: "write", verb: "TRUNCATE", link: "" },
    "pg:call": { risk: "write", verb: "call", link: "" },
    "pg:write": { risk: "write", verb: "write", link: "to" },
    "pg:copy": { risk: "admin", verb: "COPY", link: "on" },
    "pg:set": { risk: "admin", verb: "change settings", link: "of" },
    "pg:ddl": { risk: "admin", verb: "change the structure", link: "of" },
    "pg:admin": { risk: "admin", verb: "do anything", link: "as administrator on" },
};

const phraseOf = (action: string): Phrase => phrases[action] ?? { risk: "admin", verb: action, link: "on" };
export const riskOf = (action: string): Risk => phraseOf(action).risk;

const order: Record<Risk, number> = { admin: 0, write: 1, read: 2 };
export const worst = (actions: string[]): Risk =>
    actions.map(riskOf).sort((a, b) => order[a] - order[b])[0] ?? "admin";

const parts: Record<string, [number, string]> = { Target: [1, ""], Schema: [2, ""], Table: [3, ""], Column: [4, ""], Function: [3, "()"] };

/** "shop/public.orders", as phi_ref_label; anything else as Cedar writes it. */
export function label(r: Ref): string {
    const ids = idParts(r.id);
    const known = parts[r.type];
    if (!ids || !known || ids.length !== known[0]) return `${r.type}::${JSON.stringify(r.id)}`;
    return ids.map((p, i) => (i === 0 ? "" : i === 1 ? "/" : ".") + part(p, i === 0)).join("") + known[1];
}

function idParts(id: string): string[] | null {
    try {
        const v: unknown = JSON.parse(id);
        return Array.isArray(v) && v.every((p) => typeof p === "string") && JSON.stringify(v) === id ? v : null;
    } catch {
        return null;
    }
}

const part = (p: string, target: boolean): string =>
    (target ? /^[a-z0-9_-][a-z0-9_$-]*$/ : /^[a-z_][a-z0-9_$]*$/).test(p) ? p : '"' + p.replace(/"/g, '""') + '"';

/** A piece of a sentence: strong pieces are the verbs, code pieces are names. */
export interface Piece { text: string; as?: "verb" | "name" }

function phrasePieces(p: Pair): Piece[] {
    const { verb, link } = phraseOf(p.action);
    return [{ text: verb, as: "verb" }, { text: link ? ` ${link} ` : " " }, { text: label(p.resource), as: "name" }];
}

const scopePairs = (s: Scope): Pair[] => s.actions.flatMap((action) => s.resources.map((resource) => ({ action, resource })));

/** All pairs, the most dangerous first. */
export function pairs(body: Body): Pair[] {
    const all = body.scope ? scopePairs(body.scope) : body.actions;
    return [...all].sort((a, b) => order[riskOf(a.action)] - order[riskOf(b.action)]);
}

const SHOWN = 2;

/** "DELETE from shop/public.orders", with what else in few words; the page lists all below. */
export function doing(body: Body): Piece[] {
    const change = changeOf(body);
    if (change) return [{ text: "change phi: " }, { text: changeWords(change), as: "verb" }];
    const all = pairs(body);
    if (!all.length) return [{ text: "run something that phi finds no action in, on " }, { text: label(body.target), as: "name" }];
    const out = all.slice(0, SHOWN).flatMap((p, i) => [...(i ? [{ text: " and " }] : []), ...phrasePieces(p)]);
    if (all.length > SHOWN) out.push({ text: `, and ${plural(all.length - SHOWN, "thing")} more` });
    return out;
}

export function headline(r: Request, body: Body): Piece[] {
    return [{ text: r.requester.name, as: "name" }, { text: " wants to " }, ...doing(body), ...(body.scope ? [{ text: ` for ${duration(body.bounds.for_ms)}` }] : [])];
}

export const plain = (p: Piece[]): string => p.map((x) => x.text).join("");

export function usesWords(uses: number): string {
    return uses === 0 ? "any number of times" : uses === 1 ? "once" : `at most ${plural(uses, "time")}`;
}

/** What will happen on an approval that completes the request; a requirement may shorten it further, hence "at most". */
export function outcome(r: Request, body: Body, for_ms: number, uses: number): Piece[] {
    const who: Piece = { text: r.requester.name, as: "name" };
    if (body.scope)
        return [who, { text: " may " }, ...doing(body), { text: ` for ${duration(for_ms)} at most, ${usesWords(uses)}.` }];
    const change = changeOf(body);
    if (change) return [{ text: "phi does it at once, as " }, who, { text: `: ${changeWords(change)}.` }];
    return [who, { text: ` may run exactly this ${usesWords(uses)} within ${duration(for_ms)} at most.` }];
}

export const missing = (n: Need): number => Math.max(0, n.count - n.have);

/** What became of a request, in a word or a few; "" while it is pending. */
export function fate(r: Request, me: string): string {
    const by = r.votes.filter((v) => v.decision === "approve").map((v) => (v.person === me ? "you" : v.person));
    switch (r.status) {
        case "approved": return by.length ? `approved by ${by.join(", ")}` : "approved";
        case "denied": return `denied${r.denied_by ? ` by ${r.denied_by === me ? "you" : r.denied_by}` : ""}${r.reason ? `: “${r.reason}”` : ""}`;
        case "expired": return "expired unanswered";
        case "cancelled": return `withdrawn by ${r.requester.name}`;
        case "pending": return "";
    }
}

export function grantWords(g: Grant): string {
    const used = g.uses === 0 ? `used ${plural(g.used, "time")}` : `${g.used} of ${plural(g.uses, "use")} spent`;
    const words: Record<Grant["status"], string> = {
        ready: "ready", active: "in use", used: "used up", expired: "expired", returned: "given back", revoked: "revoked",
    };
    return `${words[g.status]}, ${used}`;
}

/** What a grant gives now, where it does not give all: "begins in 2 h", "4 of 10 rows left". */
export function grantLimits(g: Grant): string[] {
    const of = (what: "statements" | "rows" | "bytes"): string[] => {
        const most = g.budget?.[what] ?? 0;
        return most ? [`${plural(Math.max(0, most - (g.spent?.[what] ?? 0)), what.slice(0, -1))} of ${most} left`] : [];
    };
    return [
        ...(g.begins_in_ms ? [`begins in ${duration(g.begins_in_ms)}`] : []), ...(g.first_use_ms ? ["its time starts with the first use"] : []),
        ...of("statements"), ...of("rows"), ...of("bytes"), ...(g.windows ?? []).map((w) => `only ${windowWords(w)}`),
    ];
}

export const live = (g: Grant): boolean => g.status === "ready" || g.status === "active";

export const dayNames = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const clock = (min: number): string => `${String(Math.floor(min / 60) % 24).padStart(2, "0")}:${String(min % 60).padStart(2, "0")}`;

/** "Monday to Friday, 02:00 to 03:00 UTC" */
export function windowWords(w: Window): string {
    const d = [...w.days].sort((a, b) => a - b);
    const row = d.length > 2 && d.every((x, i) => i === 0 || x === (d[i - 1] ?? 0) + 1);
    const name = (x: number | undefined): string => dayNames[(x ?? 1) - 1] ?? "?";
    const days = d.length === 7 ? "every day" : row ? `${name(d[0])} to ${name(d[d.length - 1])}` : d.map(name).join(", ");
    return `${days}, ${clock(w.from_min)} to ${clock(w.from_min + w.for_min)} UTC`;
}

/** "100 rows, 5 statements"; "" when nothing is bounded. */
export function budgetWords(b: Bounds): string {
    const part = (n: number | undefined, word: string): string[] => (n ? [plural(n, word)] : []);
    return [...part(b.statements, "statement"), ...part(b.rows, "row"), ...part(b.bytes, "byte")].join(", ");
}

export const riskWords = (points: number): string => (points < 20 ? "as usual" : points < 60 ? "not quite as usual" : "unusual: look twice");

/** "Firefox 140 on Linux" of a browser's User-Agent; what is none stays as it is. */
export function browserWords(agent: string): string {
    const what = [["Edge", /Edg\/(\d+)/], ["Firefox", /Firefox\/(\d+)/], ["Chrome", /Chrome\/(\d+)/], ["Safari", /Version\/(\d+).* Safari\//]] as const;
    const where = [["an iPhone", /iPhone/], ["an iPad", /iPad/], ["Android", /Android/], ["Windows", /Windows/], ["a Mac", /Mac OS X/], ["Linux", /Linux/]] as const;
    const name = what.map(([n, r]) => [n, r.exec(agent)?.[1]] as const).find(([, v]) => v);
    const on = where.find(([, r]) => r.test(agent));
    return agent.startsWith("Mozilla/5.0 (") && name ? `${name[0]} ${name[1]!}${on ? ` on ${on[0]}` : ""}` : agent;
}
