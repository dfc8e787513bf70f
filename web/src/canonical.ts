// The canonical form that everything is hashed in (RFC 8785, integers only) and the digests of docs/formats.md.
import type { Body } from "./types";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Throws on what phi's formats do not allow: fractions, integers past 2^53 - 1, lone surrogates. */
export function canonical(v: unknown): string {
    const json = v as Json;
    if (json === null || typeof json === "boolean") return String(json);
    if (typeof json === "number") {
        if (!Number.isSafeInteger(json)) throw new Error(`${json} is no whole number within ±(2^53 − 1)`);
        return String(json + 0); // -0 is 0
    }
    if (typeof json === "string") return quoted(json);
    if (Array.isArray(json)) return "[" + json.map(canonical).join(",") + "]";
    if (typeof json !== "object") throw new Error(`${typeof json} is no JSON`);
    const object = json as { readonly [key: string]: Json };
    const keys = Object.keys(object).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)); // by UTF-16 code units
    return "{" + keys.map((k) => quoted(k) + ":" + canonical(object[k])).join(",") + "}";
}

function quoted(s: string): string {
    if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(s)) throw new Error("a lone surrogate is no text");
    return JSON.stringify(s);
}

/** Lower-case hex of SHA-256(tag ‖ 0 ‖ canonical JSON). */
export async function tagged(tag: string, value: unknown): Promise<string> {
    const bytes = new TextEncoder().encode(tag + "\0" + canonical(value));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(hash, (b) => b.toString(16).padStart(2, "0")).join("");
}

export const requestDigest = (body: Body): Promise<string> => tagged("phi-request-v1", body);

/** base64url without padding; throws on anything else. */
export function unb64u(text: string): Uint8Array {
    if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw new Error("not base64url");
    const raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}
