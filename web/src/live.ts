// The inbox, kept as it is by the event stream: any event means look again, so that no order of events can leave it wrong.
import { batch } from "@preact/signals";
import { call, Problem, timed, whoami, withEnd } from "./api";
import { happened, inbox, link, me, now, said, trouble, type Item } from "./state";
import type { Request, Timed } from "./types";
import { fate, headline, plain } from "./words";
import { escapeText } from "./text";

const LINGER_MS = 20000; // how long a line that has left still says what became of it
const RETRY_MS = 3000;

export const getRequest = (which: string): Promise<Timed<Request>> =>
    timed<Request, Timed<Request>>("GET", `/v1/requests/${encodeURIComponent(which)}`, undefined, withEnd);

export const getRequests = (box: "inbox" | "mine", status: "pending" | "all", limit: number): Promise<Timed<Request>[]> =>
    timed<{ requests: Request[] }, Timed<Request>[]>("GET", `/v1/requests?box=${box}&status=${status}&limit=${limit}`, undefined,
        (a, sent) => a.requests.map((r) => withEnd(r, sent)));

const INBOX_LIMIT = 200;
let running = false;
let again = false;

export const lineOf = (r: Request): string => escapeText(r.body ? plain(headline(r, r.body)) : `${r.requester.name}: ${r.summary}`, false);

/** Reads the inbox anew; calls while one is under way become one more. */
export async function refresh(): Promise<void> {
    again = true;
    if (running) return;
    running = true;
    try {
        while (again) {
            again = false;
            merge(await getRequests("inbox", "pending", INBOX_LIMIT));
            trouble.value = "";
        }
    } catch (e) {
        again = false;
        if (me.value) trouble.value = e instanceof Problem ? e.message : String(e);
    } finally {
        running = false;
    }
}

function merge(fresh: Timed<Request>[]): void {
    const old = inbox.value;
    const known = new Map(fresh.map((r) => [r.id, r]));
    const kept = (old ?? []).filter((i) => i.gone || known.has(i.request.id) || !old);
    const left = (old ?? []).filter((i) => !i.gone && !known.has(i.request.id));
    const lines: Item[] = [...fresh.map((request) => ({ request, gone: "" })), ...kept.filter((i) => i.gone && !known.has(i.request.id)), ...left];
    lines.sort((a, b) => (a.request.created_at < b.request.created_at ? -1 : a.request.created_at > b.request.created_at ? 1 : 0));
    inbox.value = lines;
    const seen = new Set((old ?? []).map((i) => i.request.id));
    const arrived = old ? fresh.filter((r) => !seen.has(r.id)) : [];
    if (arrived.length) said.value = arrived.map((r) => `New request ${r.code}: ${lineOf(r)}`).join(". ");
    for (const i of left) void farewell(i);
}

/** Says what became of a line that has left the inbox, and takes it away a little later. */
async function farewell(item: Item): Promise<void> {
    let gone = "no longer yours to decide";
    try {
        const r = await getRequest(item.request.id);
        const mine = r.votes.some((v) => v.person === me.value?.person.name);
        gone = escapeText(fate(r, me.value?.person.name ?? ""), false) || (mine ? "your approval counts; it waits for others" : gone);
    } catch {
        // it may not be ours to see any more
    }
    inbox.value = (inbox.value ?? []).map((i) => (i.request.id === item.request.id && !i.gone ? { ...i, gone } : i));
    said.value = `${item.request.code} ${gone}`;
    setTimeout(() => {
        inbox.value = (inbox.value ?? []).filter((i) => !(i.request.id === item.request.id && i.gone));
    }, LINGER_MS);
}

function heard(e: MessageEvent): void {
    let id = "";
    try {
        const data = JSON.parse(String(e.data)) as Record<string, unknown>;
        const which = data["request"] ?? data["id"];
        id = typeof which === "string" ? which : "";
    } catch {
        // unreadable: look at everything again
    }
    happened.value = { n: happened.value.n + 1, id };
    void refresh();
}

let stream: EventSource | null = null;

function disconnect(): void {
    stream?.close();
    stream = null;
    link.value = "connecting";
}

function connect(): void {
    disconnect();
    if (!me.value) return;
    const s = (stream = new EventSource("/v1/events"));
    s.onopen = () => {
        batch(() => {
            link.value = "live";
            happened.value = { n: happened.value.n + 1, id: "" };
        });
        void refresh(); // what happened while nobody listened
    };
    s.addEventListener("request", heard);
    s.addEventListener("grant", heard);
    s.onerror = () => {
        link.value = "lost";
        if (s.readyState === EventSource.CLOSED) setTimeout(() => void retry(s), RETRY_MS);
    };
}

/** The browser gives up on an answer that is no stream (signed out, server restarting): ask who we are, then connect anew. */
async function retry(of: EventSource): Promise<void> {
    if (of !== stream) return;
    try {
        if (await whoami()) connect();
    } catch {
        setTimeout(() => void retry(of), RETRY_MS);
    }
}

/** A browser has six connections to a server, and a stream holds one: of all hidden tabs only one listens, so that none of the others starves. */
let hiddenNoMore = (): void => {};
function attend(): void {
    hiddenNoMore();
    hiddenNoMore = () => {};
    if (document.visibilityState === "visible" || !navigator.locks) {
        if (!stream) connect();
        else if (me.value) void refresh();
        return;
    }
    disconnect();
    const wait = new AbortController();
    hiddenNoMore = () => wait.abort();
    const listen = (): Promise<void> => new Promise((done) => {
        hiddenNoMore = done;
        connect();
    });
    navigator.locks.request("phi.hidden", { signal: wait.signal }, listen).catch(() => {}); // aborted: the tab is seen again
}

function tick(): void {
    now.value = performance.now();
    if (inbox.value?.some((i) => !i.gone && i.request.ends <= now.value)) void refresh();
}

export async function start(): Promise<void> {
    setInterval(tick, 1000);
    for (;;) {
        try {
            await whoami();
            attend();
            document.addEventListener("visibilitychange", attend);
            return;
        } catch (e) {
            trouble.value = e instanceof Problem ? e.message : String(e);
            await new Promise((r) => setTimeout(r, RETRY_MS));
        }
    }
}

export async function signOut(): Promise<void> {
    try {
        await call("DELETE", "/v1/sessions/current");
    } catch (e) {
        if (!(e instanceof Problem) || e.status !== 401) {
            trouble.value = e instanceof Problem ? `Not signed out: ${e.message}` : String(e);
            return;
        }
    }
    disconnect();
    batch(() => {
        inbox.value = undefined;
        me.value = null;
    });
}
