// An error with what to do about it.
import type { JSX } from "preact";
import { Problem } from "../api";
import { Bad, errorText, Safe } from "./parts";

const hints: Record<string, string> = {
    "request.changed": "It was changed since you read it. Read it again, then decide.",
    "request.ended": "Somebody else was first, or its time ran out. There is nothing left to decide.",
    "vote.twice": "Your vote is already counted.",
};

export function Trouble({ error }: { error: unknown }): JSX.Element {
    const p = error instanceof Problem ? error : null;
    const next = p ? p.next || hints[p.code] || "" : "";
    return (
        <Bad>
            <Safe text={errorText(error)} /> {next && <Safe text={next} />} {p?.code && <span class="quiet">({p.code})</span>}
        </Bad>
    );
}
