// Is what is shown what the digest is over? Only then may it be approved from here.
import { requestDigest } from "./canonical";
import { shapeError } from "./shape";
import type { Body, Request } from "./types";

export type Checked = { state: "checking" } | { state: "same"; digest: string } | { state: "bad"; why: string };

/** The body must have the digest the server names, and be the body of this very request. */
export async function check(r: Request): Promise<Checked> {
    if (!r.body) return { state: "bad", why: "The text of this request is erased, so there is nothing to compare its digest with." };
    if (!globalThis.crypto?.subtle)
        return { state: "bad", why: "This page was not opened over https or on localhost, so the browser cannot compute digests. Open it there, or use phi approve." };
    const odd = disagreement(r, r.body);
    if (odd) return { state: "bad", why: odd };
    try {
        const digest = await requestDigest(r.body);
        if (digest === r.digest) return { state: "same", digest };
        return { state: "bad", why: `What is shown here has the digest ${digest}, but the server says ${r.digest}. Somebody or something has changed it on the way. Do not approve it; tell whoever runs phi.` };
    } catch (e) {
        return { state: "bad", why: `The request cannot be hashed: ${e instanceof Error ? e.message : String(e)}.` };
    }
}

function disagreement(r: Request, b: Body): string {
    const odd = shapeError(b);
    if (odd) return `Not all of this request can be shown: ${odd}. Load the page again; if that does not help, do not approve it and tell whoever runs phi.`;
    if (b.id !== r.id || b.version !== r.version) return "The text shown belongs to another request. Do not approve it; tell whoever runs phi.";
    if (b.requester.id !== r.requester.id) return "The server names another requester than the request itself. Do not approve it; tell whoever runs phi.";
    return "";
}
