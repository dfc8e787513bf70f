// An error with what to do about it.
import type { JSX } from "preact";
import { Problem } from "../api";
import { Bad, errorText, Safe } from "./parts";

export function Trouble({ error }: { error: unknown }): JSX.Element {
    const p = error instanceof Problem ? error : null;
    const next = p?.next ?? "";
    return (
        <Bad>
            <Safe text={errorText(error)} /> {next && <Safe text={next} />} {p?.code && <span class="quiet">({p.code})</span>}
        </Bad>
    );
}
