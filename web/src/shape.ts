// Is this a request body as docs/formats.md has it, and nothing besides? A member that the console does not know would be
// under the digest and not on the page, so it is refused here whatever the server thinks of it.
import type { Body } from "./types";

type Shape = (v: unknown, at: string) => void;
class Misshapen extends Error {}
const fail = (at: string, what: string): never => {
    throw new Misshapen(`${at} ${what}`);
};

const str: Shape = (v, at) => typeof v === "string" || fail(at, "is no text");
const like = (re: RegExp): Shape => (v, at) => (typeof v === "string" && re.test(v)) || fail(at, "is malformed");
const int = (min: number, max = Number.MAX_SAFE_INTEGER): Shape => (v, at) =>
    (Number.isSafeInteger(v) && (v as number) >= min && (v as number) <= max) || fail(at, `is no whole number from ${min} on`);
const list = (of: Shape, min = 0): Shape => (v, at) => {
    if (!Array.isArray(v) || v.length < min) return fail(at, "is no list, or too short");
    v.forEach((x, i) => of(x, `${at}[${i}]`));
};
const orNull = (of: Shape): Shape => (v, at) => v === null || of(v, at);
const empty: Shape = (v, at) => (v !== null && typeof v === "object" && Object.keys(v).length === 0) || fail(at, "must be empty");

const texts: Shape = (v, at) => {
    if (v === null || typeof v !== "object" || Array.isArray(v)) return fail(at, "is no object");
    for (const [k, x] of Object.entries(v)) str(x, `${at}.${k}`);
};

function obj(must: Record<string, Shape>, may: Record<string, Shape> = {}): Shape {
    return (v, at) => {
        if (v === null || typeof v !== "object" || Array.isArray(v)) return fail(at, "is no object");
        const o = v as Record<string, unknown>;
        for (const k of Object.keys(o)) if (!Object.hasOwn(must, k) && !Object.hasOwn(may, k)) fail(at, `has a member "${k}" that this console does not know`);
        for (const [k, shape] of Object.entries(must)) Object.hasOwn(o, k) ? shape(o[k], `${at}.${k}`) : fail(at, `lacks "${k}"`);
        for (const [k, shape] of Object.entries(may)) if (Object.hasOwn(o, k)) shape(o[k], `${at}.${k}`);
    };
}

const ref = obj({ type: like(/./su), id: like(/./su) });
const id = like(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
/** base64url that is the only spelling of its bytes: no padding, no bits set past the end. */
const bytes = like(/^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$/);
const format = int(0, 1);
const pair = obj({ action: like(/./su), resource: ref });
const statement = obj({ bytes, types: list(int(0, 0xffffffff)), formats: list(format), params: list(orNull(bytes)), results: list(format) }, { max_rows: int(1, 0x7fffffff) });
const query = obj({ kind: str, bytes });
const batch = obj({ kind: str, statements: list(statement, 1) });
const payload: Shape = (v, at) => {
    const kind = (v as { kind?: unknown } | null)?.kind;
    if (kind === "pg-query" || kind === "phi-change") query(v, at);
    else if (kind === "pg-batch") batch(v, at);
    else fail(at, "is of a kind that this console cannot show");
};
const scope = obj({ actions: list(like(/./su), 1), resources: list(ref, 1) });

const YEAR_MS = 366 * 24 * 3600 * 1000;
const bounds = (uses: number): Shape => obj({ for_ms: int(1, YEAR_MS), uses: int(uses) }, {
    from_ms: int(0), until_ms: int(0), statements: int(1), rows: int(1), bytes: int(1),
    ...(uses === 0 ? { windows: list(obj({ days: list(int(1, 7), 1), for_min: int(1, 1440), from_min: int(0, 1439) }), 1) } : {}),
});
const common = {
    v: int(1, 1), id, salt: like(/^[A-Za-z0-9_-]{21}[AQgw]$/), requester: ref, on_behalf: list(ref), target: ref, why: str, ticket: str, version: int(1),
};
const exact = obj({ ...common, actions: list(pair, 1), payload, settings: texts, bounds: bounds(1) });
const scoped = obj({ ...common, actions: list(pair), scope, settings: empty, bounds: bounds(0) }, { extends: id });

/** What is wrong with it, in words; "" when it is a body. */
export function shapeError(v: unknown): string {
    try {
        const isScope = v !== null && typeof v === "object" && Object.hasOwn(v, "scope");
        (isScope ? scoped : exact)(v, "the request");
        if (isScope && (v as Body).actions.length) fail("the request", "has actions beside its scope");
        return "";
    } catch (e) {
        if (e instanceof Misshapen) return e.message;
        throw e;
    }
}
