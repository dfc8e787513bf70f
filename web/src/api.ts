// Talking to phid: the public API, nothing else.
import type { Timed, Whoami } from "./types";
import { me } from "./state";

/** An RFC 9457 problem, or what stands for one when there was no answer. */
export class Problem extends Error {
    constructor(readonly status: number, readonly code: string, message: string, readonly next: string) {
        super(message);
    }
}

async function problemOf(answer: Response): Promise<Problem> {
    let p: Record<string, unknown> = {};
    try {
        p = (await answer.json()) as Record<string, unknown>;
    } catch {
        // not JSON: a proxy's page, perhaps
    }
    const text = (key: string): string => (typeof p[key] === "string" ? (p[key] as string) : "");
    return new Problem(answer.status, text("code"), text("detail") || text("title") || `the server answered ${answer.status}`, text("next"));
}

const TIMEOUT_MS = 20000;

async function send(method: string, path: string, body?: unknown): Promise<Response> {
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (method !== "GET" && me.value) headers["X-Phi-CSRF"] = me.value.csrf;
    let answer: Response;
    try {
        answer = await fetch(path, {
            method, headers, cache: "no-store", credentials: "same-origin", redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS),
            ...(body !== undefined ? { body: JSON.stringify(body) } : {}),
        });
    } catch {
        throw new Problem(0, "unreachable", "phi cannot be reached.", "Check the connection. Whether it was still done shows as soon as phi answers again.");
    }
    if (answer.ok) return answer;
    if (answer.status === 401) me.value = null;
    throw await problemOf(answer);
}

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await send(method, path, body);
    return (answer.status === 204 ? null : await answer.json()) as T;
}

/** The rows of every page of a list. */
export async function every<T>(path: string, list: string): Promise<T[]> {
    const all: T[] = [];
    let next: string | undefined = "";
    while (next !== undefined) {
        const page: Record<string, unknown> = await call("GET", next ? `${path}?cursor=${encodeURIComponent(next)}` : path);
        all.push(...(page[list] as T[]));
        next = page.next as string | undefined;
    }
    return all;
}

export const text = async (path: string): Promise<string> => (await send("GET", path)).text();

/** Remaining time counts from when the question was sent, so that a slow answer never gives more. */
export async function timed<T, R>(method: string, path: string, body: unknown, pick: (answer: T, sent: number) => R): Promise<R> {
    const sent = performance.now();
    return pick(await call<T>(method, path, body), sent);
}

export const withEnd = <T extends { expires_in_ms: number } | { remaining_ms: number }>(v: T, sent: number): Timed<T> => ({
    ...v, ends: sent + ("expires_in_ms" in v ? v.expires_in_ms : v.remaining_ms),
});

/** Asks who is signed in: null when nobody is. Other failures throw. */
export async function whoami(): Promise<Whoami | null> {
    try {
        me.value = await call<Whoami>("GET", "/v1/whoami");
    } catch (e) {
        if (!(e instanceof Problem) || e.status !== 401) throw e;
    }
    return me.value ?? null;
}
