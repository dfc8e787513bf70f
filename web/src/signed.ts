// A vote that a passkey signs: the challenge is computed here, over a text that says what this page showed.
import { call } from "./api";
import { sign } from "./passkey";
import type { Request } from "./types";

interface Options { vote: string; nonce: string; salt: string; publicKey: Record<string, unknown> }

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

async function challengeOf(vote: string): Promise<string> {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`phi-vote-v1\0${vote}`));
    return btoa(String.fromCharCode(...new Uint8Array(digest))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The members that turn this ballot into a signed one. Refuses to sign anything but it. */
export async function signed(r: Request, ballot: Record<string, unknown>): Promise<Record<string, unknown>> {
    const o = await call<Options>("POST", `/v1/requests/${encodeURIComponent(r.id)}/votes/options`, ballot);
    const v = JSON.parse(o.vote) as Record<string, unknown>;
    const asked = { id: r.id, digest: ballot["digest"], version: ballot["version"], decision: ballot["decision"], narrowing: ballot["narrowing"] ?? {} };
    for (const [key, want] of Object.entries(asked))
        if (!same(v[key], want)) throw new Error(`phi wanted another ${key} signed than what is shown here. Nothing was signed.`);
    if (ballot["requirement"] !== undefined && v["requirement"] !== ballot["requirement"]) throw new Error("phi wanted a vote for another requirement signed. Nothing was signed.");
    return { nonce: o.nonce, salt: o.salt, passkey: await sign({ ...o.publicKey, challenge: await challengeOf(o.vote) }) };
}
