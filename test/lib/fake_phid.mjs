// A phid that says what a test tells it to, lies included: for what a true one would never answer (a body that has
// another digest, say) and for texts that would be slow to bring about. It speaks docs/api.md as far as the console reads it.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { readFileSync, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";

const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };

function canon(v) {
    if (Array.isArray(v)) return "[" + v.map(canon).join(",") + "]";
    if (v && typeof v === "object") return "{" + Object.keys(v).sort().map((k) => JSON.stringify(k) + ":" + canon(v[k])).join(",") + "}";
    return JSON.stringify(v);
}
export const digestOf = (body) => createHash("sha256").update("phi-request-v1\0" + canon(body)).digest("hex");
export const b64u = (s) => Buffer.from(s).toString("base64url");

const ORDERS = { type: "Table", id: '["shop","public","orders"]' };
const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const code = () => Array.from(randomBytes(6), (b, i) => (i === 3 ? "-" : "") + LETTERS[b % 32]).join("");

/** A pending request of alice's, as the API shows it to bob; `body` and `more` change what they name. */
export function makeRequest({ sql = "DELETE FROM orders WHERE id = 7;", body: change = {}, ...more } = {}) {
    const alice = { id: "0198a6b0-0000-7000-8000-00000000a11c", name: "alice" };
    const body = {
        v: 1, id: randomUUID(), salt: b64u(randomBytes(16)), requester: { type: "Person", id: alice.id }, on_behalf: [],
        target: { type: "Target", id: '["shop"]' }, actions: [{ action: "pg:delete", resource: ORDERS }],
        payload: { kind: "pg-query", bytes: b64u(sql) }, settings: { DateStyle: "ISO, MDY", TimeZone: "Etc/UTC", role: "none" },
        bounds: { for_ms: 900000, uses: 1 }, why: "", ticket: "", version: 1, ...change,
    };
    for (const key of Object.keys(body)) if (body[key] === undefined) delete body[key];
    return {
        id: body.id, code: code(), status: "pending", version: body.version, digest: digestOf(body), act: "0".repeat(64), requester: alice, target: "shop",
        gateway: "demo", summary: "pg:delete on shop/public.orders", settings: body.settings, bounds: body.bounds, why: body.why, ticket: body.ticket,
        from: { addr: "127.0.0.1:40612", application: "psql" }, created_at: new Date().toISOString(), expires_in_ms: 899000,
        needs: [[{ requirement: "dba", kind: "approval", count: 1, have: 0, who: ["bob", "carol"], from: ['Group::"dba"'] }]],
        policies: [{ id: "write-orders", why: "Writes to production need a DBA" }], break_glass: false, risk: 35, risk_reasons: [{ points: 20, why: "unusual hour for this person" }, { points: 15, why: "size of effect: pg:delete" }],
        watchers: ["dora"], suggested: [], on_behalf: [], remarks: [{ person: "carol", kind: "question", text: "why today?", at: "2026-11-21T08:00:00.000Z" }],
        votes: [], grant: null, denied_by: "", reason: "", body,
        can: { approve: true, deny: true, cancel: false, why_not: "" }, ...more,
    };
}

export class FakePhid {
    requests = [];
    grants = [];
    votes = [];
    asks = []; // what was sent to be asked, changed or given back: [method, path, body]
    bundle = { policies: "", requirements: "", schema: "", version: 1 };
    entries = [];
    signedIn = true;
    #streams = new Set();
    #n = 0;

    constructor(dist) {
        this.dist = dist;
        this.server = createServer((q, a) => this.#answer(q, a).catch((e) => a.writeHead(500).end(String(e))));
    }
    async listen() {
        await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
        this.url = `http://localhost:${this.server.address().port}`;
        return this;
    }
    close() {
        this.server.closeAllConnections();
        this.server.close();
    }
    get listeners() {
        return this.#streams.size;
    }
    /** Ends all event streams, as a restart would. */
    cut() {
        for (const s of this.#streams) s.destroy();
    }
    add(r) {
        this.requests.push(r);
        this.log("request.created", r);
        this.tell(r);
        return r;
    }
    end(r, status, more = {}) {
        Object.assign(r, { status, can: { approve: false, deny: false, cancel: false, why_not: `it is ${status}` } }, more);
        this.log(`request.${status}`, r);
        this.tell(r);
    }
    tell(r) {
        for (const s of this.#streams) s.write(`id: ${++this.#n}\nevent: request\ndata: ${JSON.stringify({ id: r.id, code: r.code, status: r.status })}\n\n`);
    }
    log(ev, r) {
        this.entries.push(canon({ v: 1, n: this.entries.length, t: Date.now(), ev, by: r.body?.requester ?? { type: "Service", id: "phi" }, req: r.id }));
    }

    async #answer(q, a) {
        const url = new URL(q.url, this.url);
        let text = "";
        for await (const part of q) text += part;
        a.setHeader("Content-Security-Policy", CSP);
        if (!url.pathname.startsWith("/v1/")) return this.#file(url.pathname, a);
        if (!this.signedIn) return problem(a, 401, "auth.needed", "not signed in");
        if (q.method !== "GET" && q.headers["x-phi-csrf"] !== "the-token") return problem(a, 403, "auth.csrf", "the token is missing");
        return this.#api(q, url, text ? JSON.parse(text) : null, a);
    }
    #file(path, a) {
        const file = join(this.dist, path === "/" || path.startsWith("/r/") ? "index.html" : path);
        if (path.includes("..") || !existsSync(file)) return a.writeHead(404).end();
        return a.writeHead(200, { "Content-Type": TYPES[extname(file)] ?? "application/octet-stream" }).end(readFileSync(file));
    }
    #api(q, url, body, a) {
        const [, , noun, which, verb] = url.pathname.split("/");
        const key = `${q.method} ${noun}`;
        if (key === "GET whoami")
            return json(a, { person: { id: "b0b", name: "bob", groups: ["dba"] }, rights: [], csrf: "the-token", server: { name: "phid", version: "0", origin: this.url } });
        if (key === "DELETE sessions") return (this.signedIn = false), a.writeHead(204).end();
        if (key === "GET events") return this.#stream(a);
        if (key === "GET log") return this.#log(which, url, a);
        if (key === "GET grants") return json(a, { grants: this.grants.filter((g) => g.principal.name === "bob") });
        if (key === "GET targets") return json(a, { targets: [{ name: "shop" }, { name: "wiki" }] });
        if (key === "GET bundle") return json(a, this.bundle);
        if (key === "POST requests" && !which) return this.#ask(q, url, body, a);
        if (key === "PUT requests") return this.#ask(q, url, body, a);
        if (key === "GET requests" && !which) return json(a, { requests: this.#box(url.searchParams.get("box")) });
        if (noun === "grants") return this.#revoke(this.grants.find((g) => g.id === which), verb, a);
        const r = this.requests.find((x) => x.id === which || x.code === which);
        if (!r) return problem(a, 404, "not-found", "There is no such request, or you may not see it.");
        if (verb === "votes") return this.#vote(r, body, a);
        return json(a, r);
    }
    #box(box) {
        if (box === "all") return this.requests;
        return box === "mine" ? this.requests.filter((r) => r.requester.name === "bob") : this.requests.filter((r) => r.status === "pending" && r.can.approve);
    }
    #vote(r, body, a) {
        this.votes.push(body);
        if (body.digest !== r.digest) return problem(a, 409, "request.changed", "the request was changed", "Read it again.");
        if (r.status !== "pending") return problem(a, 409, "request.ended", "the request has ended", "There is nothing left to decide.");
        const approve = body.decision === "approve";
        const vote = { person: "bob", decision: body.decision, requirement: "dba", reason: body.reason ?? "", at: new Date().toISOString() };
        const grant = { id: randomUUID(), request: r.id, code: r.code, principal: r.requester, target: "shop", status: "ready", uses: 1, used: 0, remaining_ms: body.narrowing?.for_ms ?? 900000, scope: null, summary: r.summary };
        if (approve) this.grants.push(grant);
        this.end(r, approve ? "approved" : "denied", { votes: [vote], ...(approve ? { grant } : { denied_by: "bob", reason: body.reason }) });
        return json(a, r);
    }
    #ask(q, url, body, a) {
        this.asks.push([q.method, url.pathname, body]);
        if (body.why === "no") return problem(a, 403, "policy.denied", "No policy lets you do this.", "Ask a policy author.");
        if (body.why === "free") return json(a, { verdict: "allow" });
        const r = makeRequest({ requester: { id: "b0b", name: "bob" }, can: { approve: false, deny: false, cancel: true, why_not: "you are the requester" } });
        return json(a, this.add(r));
    }
    #revoke(g, verb, a) {
        g.status = verb === "return" ? "returned" : "revoked";
        this.asks.push(["POST", verb, null]);
        return json(a, { grant: g, acknowledged: ["demo"], waiting: [] });
    }
    #log(which, url, a) {
        if (which === "checkpoint") return a.writeHead(200, { "Content-Type": "text/plain" }).end(`localhost/phi\n${this.entries.length}\n${"A".repeat(43)}=\n\n— localhost/phi ${"B".repeat(90)}\n`);
        const from = Number(url.searchParams.get("from"));
        return json(a, { size: this.entries.length, entries: this.entries.slice(from, from + Number(url.searchParams.get("limit"))) });
    }
    #stream(a) {
        a.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
        a.write("retry: 200\n: phi\n\n");
        this.#streams.add(a);
        a.on("close", () => this.#streams.delete(a));
    }
}

const json = (a, v) => a.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(v));
const problem = (a, status, code, detail, next = "") => a.writeHead(status, { "Content-Type": "application/problem+json" }).end(JSON.stringify({ title: detail, status, detail, code, next }));
