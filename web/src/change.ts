// A change of phi itself, in plain words, and what it would change of the policy line by line.
import { unb64u } from "./canonical";
import { decode, duration } from "./text";
import type { Body } from "./types";

export interface Change { route: string; params: string[]; body: Record<string, unknown> | null }

/** The change that a request is for; null for any other request. */
export function changeOf(body: Body): Change | null {
    if (body.payload?.kind !== "phi-change") return null;
    return JSON.parse(decode(unb64u(body.payload.bytes))) as Change;
}

const quoted = (v: unknown): string => (typeof v === "string" ? v : JSON.stringify(v ?? ""));
const names = (v: unknown): string => (Array.isArray(v) ? v.map(quoted).join(", ") : "");

/** "put bob into the group dba"; a route without words of its own is said as it is. */
export function changeWords(c: Change): string {
    const b = c.body ?? {};
    const [first = "", second = ""] = c.params;
    const groups = names(b["groups"]);
    switch (c.route) {
        case "PUT /v1/bundle": return "make another policy live";
        case "POST /v1/groups/{group}/members": return `put ${quoted(b["person"])} into the group ${first}`;
        case "DELETE /v1/groups/{group}/members/{person}": return `take ${second} out of the group ${first}`;
        case "POST /v1/people": return `add the person ${quoted(b["name"])}${groups ? `, in ${groups}` : ""}`;
        case "POST /v1/people/{person}/forget": return `forget ${first} for good`;
        case "POST /v1/services": return `add the service ${quoted(b["name"])}${groups ? `, in ${groups}` : ""}`;
        case "POST /v1/accounts": return `say that the account ${quoted(b["name"])} is ${quoted(b["person"])}`;
        case "POST /v1/identities": return `say that ${quoted(b["subject"])} at ${quoted(b["provider"])} is ${quoted(b["person"])}`;
        case "DELETE /v1/identities/{provider}/{subject}": return `take the account ${second} at ${first} away from its person`;
        case "PUT /v1/providers/{name}": return `set the identity provider ${first}`;
        case "DELETE /v1/providers/{name}": return `trust the identity provider ${first} no more`;
        case "POST /v1/targets": return `set the target ${quoted(b["name"])}`;
        case "PUT /v1/facts": return `say what ${quoted(b["resource"])} is: ${[quoted(b["environment"]), names(b["tags"])].filter((x) => x && x !== '""').join(", ") || "nothing"}`;
        case "PUT /v1/on-call/{list}": return `put ${names(b["people"])}, and nobody else, on call as ${first} for ${duration(Number(b["for_ms"]))}`;
        case "DELETE /v1/on-call/{list}": return `have nobody on call as ${first}`;
        default: return `${c.route}${c.params.length ? ` of ${c.params.join(", ")}` : ""}`;
    }
}

export interface DiffLine { is: "same" | "new" | "old"; text: string }
const MOST_CELLS = 4_000_000;

/** What is new and what goes, line by line; null where the texts are too long to compare here. */
export function diff(was: string, will: string): DiffLine[] | null {
    const a = was.split("\n"), b = will.split("\n");
    let head = 0, tail = 0;
    while (head < a.length && head < b.length && a[head] === b[head]) head++;
    while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
    const x = a.slice(head, a.length - tail), y = b.slice(head, b.length - tail);
    if ((x.length + 1) * (y.length + 1) > MOST_CELLS) return null;
    const same = (text: string): DiffLine => ({ is: "same", text });
    return [...a.slice(0, head).map(same), ...middle(x, y), ...a.slice(a.length - tail).map(same)];
}

/** By the longest common subsequence. */
function middle(x: string[], y: string[]): DiffLine[] {
    const w = y.length + 1;
    const best = new Uint32Array((x.length + 1) * w);
    for (let i = x.length - 1; i >= 0; i--)
        for (let k = y.length - 1; k >= 0; k--)
            best[i * w + k] = x[i] === y[k] ? best[(i + 1) * w + k + 1]! + 1 : Math.max(best[(i + 1) * w + k]!, best[i * w + k + 1]!);
    const out: DiffLine[] = [];
    let i = 0, k = 0;
    while (i < x.length || k < y.length)
        if (i < x.length && k < y.length && x[i] === y[k]) out.push({ is: "same", text: x[i++]! }), k++;
        else if (i < x.length && (k === y.length || best[(i + 1) * w + k]! >= best[i * w + k + 1]!)) out.push({ is: "old", text: x[i++]! });
        else out.push({ is: "new", text: y[k++]! });
    return out;
}

/** Changed lines with a few around them; null stands for lines left out. */
export function hunks(lines: DiffLine[], around = 2): (DiffLine | null)[] {
    const near = lines.map((_, i) => lines.slice(Math.max(0, i - around), i + around + 1).some((l) => l.is !== "same"));
    const out: (DiffLine | null)[] = [];
    lines.forEach((l, i) => {
        if (near[i]) out.push(l);
        else if (out[out.length - 1] !== null) out.push(null);
    });
    return out;
}
