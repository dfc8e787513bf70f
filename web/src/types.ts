// The public API as docs/api.md has it, and the request body of docs/formats.md. Only what the console reads.

export interface Ref { type: string; id: string }
export interface Pair { action: string; resource: Ref }
export interface Scope { actions: string[]; resources: Ref[] }
export interface Statement {
    bytes: string;
    types: number[];
    formats: number[];
    params: (string | null)[];
    results: number[];
    max_rows?: number;
}
export type Payload = { kind: "pg-query" | "phi-change"; bytes: string } | { kind: "pg-batch"; statements: Statement[] };

/** Comes again each week, by UTC; days from 1 (Monday). */
export interface Window { days: number[]; from_min: number; for_min: number }
export interface Bounds {
    for_ms: number;
    uses: number;
    from_ms?: number;
    until_ms?: number;
    statements?: number;
    rows?: number;
    bytes?: number;
    windows?: Window[];
}

/** What the digest is over. */
export interface Body {
    v: number;
    id: string;
    salt: string;
    requester: Ref;
    on_behalf: Ref[];
    target: Ref;
    actions: Pair[];
    payload?: Payload;
    scope?: Scope;
    settings: Record<string, string>;
    bounds: Bounds;
    extends?: string;
    why: string;
    ticket: string;
    version: number;
}

export type Status = "pending" | "approved" | "denied" | "expired" | "cancelled";

export interface Need { requirement: string; kind: string; count: number; have: number; stage?: number; signed?: boolean; who: string[]; from: string[] }
export interface Vote { person: string; decision: "approve" | "deny"; requirement: string; reason: string; at: string }
export interface Named { id: string; name: string }

export interface Grant {
    id: string;
    request: string;
    code: string;
    principal: Named;
    target: string;
    status: "ready" | "active" | "used" | "expired" | "returned" | "revoked";
    uses: number;
    used: number;
    remaining_ms: number;
    scope: Scope | null;
    summary: string;
    begins_in_ms?: number;
    first_use_ms?: number;
    budget?: { statements: number; rows: number; bytes: number };
    spent?: { statements: number; rows: number; bytes: number };
    windows?: Window[];
    review?: "" | "open" | "closed";
    reviewer?: string;
}

export interface Remark { person: string; kind: "comment" | "question"; text: string; at: string }

export interface Request {
    id: string;
    code: string;
    status: Status;
    version: number;
    digest: string;
    requester: Named;
    target: string;
    gateway?: string;
    summary: string;
    why: string;
    ticket: string;
    ticket_facts: { asked_ms: number; assigned: boolean; open: boolean; title: string } | null;
    from: { addr: string; application: string };
    created_at: string;
    expires_in_ms: number;
    needs: Need[][];
    break_glass: boolean;
    risk: number | null;
    risk_reasons: { points: number; why: string }[];
    watchers: string[];
    suggested: string[];
    on_behalf: string[];
    remarks: Remark[];
    policies: { id: string; why: string }[];
    votes: Vote[];
    grant: Grant | null;
    denied_by: string | null;
    reason: string | null;
    body: Body | null;
    can: { approve: boolean; deny: boolean; cancel: boolean; why_not: string | null };
}

export interface Whoami {
    person: { id: string; name: string; groups: string[] };
    rights: string[];
    csrf: string;
    server: { name: string; version: string; origin: string };
}

/** What came from the server, with the moment (performance.now) at which its remaining time is over. */
export type Timed<T> = T & { ends: number };
