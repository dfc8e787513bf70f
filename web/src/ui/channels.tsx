// How people are told: the channels and how they fare, and what could not be sent, to be sent again.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, every } from "../api";
import { me, said } from "../state";
import { useFresh } from "./list";
import { Safe } from "./parts";
import { Trouble } from "./trouble";

interface Channel {
    name: string; kind: string; live: boolean; why_off: string; waiting: number; dead: number; dropped: number; paused_ms: number;
    last_sent_ms: number; last_error: string;
}
interface Letter { id: string; channel: string; kind: string; what: string; code: string; to: string; error: string; tries: number; created_ms: number }
interface Told { channels: Channel[] | null; letters: Letter[] }

const operates = (): boolean => me.value?.rights.includes("operate") ?? false;

async function told(): Promise<Told> {
    const [letters, channels] = await Promise.all([
        every<Letter>("/v1/notifications/dead", "notifications"),
        operates() ? every<Channel>("/v1/channels", "channels") : null,
    ]);
    return { channels, letters };
}

const time = (ms: number): string => new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

function stateOf(c: Channel): string {
    if (!c.live) return `off: ${c.why_off}`;
    if (c.paused_ms) return "pauses after failures, then tries again";
    return c.last_sent_ms ? `works; last sent ${time(c.last_sent_ms)}` : "not used yet";
}

/** Does one thing, says that it was done, and reads the page anew. */
function Action({ text, about, words, method, path, body, again }: {
    text: string; about: string; words: string; method: string; path: string; body?: unknown; again: () => void;
}): JSX.Element {
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<unknown>(null);
    async function act(): Promise<void> {
        setBusy(true);
        setError(null);
        try {
            await call(method, path, body);
            said.value = words;
            again();
        } catch (e) {
            setError(e);
        }
        setBusy(false);
    }
    return (
        <>
            <button type="button" class="button" disabled={busy} onClick={() => void act()}>{text}<span class="sr"> {about}</span></button>
            {error !== null && <Trouble error={error} />}
        </>
    );
}

function One({ c, again }: { c: Channel; again: () => void }): JSX.Element {
    const at = `/v1/channels/${encodeURIComponent(c.name)}`;
    const counts = [c.waiting ? `${c.waiting} waiting` : "", c.dead ? `${c.dead} could not be sent` : "", c.dropped ? `${c.dropped} dropped` : ""].filter(Boolean);
    return (
        <li class={`line card ${c.live ? "" : "gone"}`}>
            <p class="what"><b><Safe text={c.name} /></b> <span class="quiet"><Safe text={c.kind} /></span></p>
            <p><Safe text={stateOf(c)} />{counts.length > 0 && <> · {counts.join(" · ")}</>}</p>
            {c.last_error && <p class="quiet">Last failure: <Safe text={c.last_error} /></p>}
            <div class="buttons">
                {c.live && <Action text="Test" about={c.name} words="On its way." method="POST" path={`${at}/test`} again={again} />}
                <Action text={c.live ? "Switch off" : "Switch on"} about={c.name} words={c.live ? "Switched off." : "Switched on."} method="POST"
                    path={`${at}/switch`} body={{ on: !c.live }} again={again} />
            </div>
        </li>
    );
}

function Dead({ l, again }: { l: Letter; again: () => void }): JSX.Element {
    return (
        <li class="line card">
            <p class="what">{l.code ? <a class="code" href={`/r/${l.code}`} data-item>{l.code}</a> : null} <Safe text={l.what} />{l.to && <> to <b><Safe text={l.to} /></b></>} by <Safe text={l.channel} /></p>
            <p class="quiet">{time(l.created_ms)} · <Safe text={l.error} />{l.tries > 0 && <> · tried {l.tries} times</>}</p>
            <Action text="Send again" about={`${l.code} by ${l.channel}`} words="On its way again." method="POST"
                path={`/v1/notifications/${encodeURIComponent(l.id)}/resend`} again={again} />
        </li>
    );
}

export function Channels(): JSX.Element {
    const { value, error, again } = useFresh(told);
    if (error) return <Trouble error={error} />;
    if (!value) return <p class="quiet" role="status">Reading …</p>;
    return (
        <>
            {value.channels && (
                <section aria-labelledby="ways" class="part">
                    <h2 id="ways">Ways out</h2>
                    {value.channels.length
                        ? <ul class="lines">{value.channels.map((c) => <One key={c.name} c={c} again={again} />)}</ul>
                        : <p class="quiet">None: people are told here and by <code>phi inbox</code> only. <code>phi channel set</code> adds one.</p>}
                </section>
            )}
            <section aria-labelledby="dead" class="part">
                <h2 id="dead">Could not be sent</h2>
                {value.letters.length
                    ? <ul class="lines">{value.letters.map((l) => <Dead key={l.id} l={l} again={again} />)}</ul>
                    : <p class="quiet">Nothing: everything was sent, or waits to be.</p>}
            </section>
        </>
    );
}
