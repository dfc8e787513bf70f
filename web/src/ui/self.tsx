// What one says of oneself: time zone and quiet hours; and who votes for whom for a while.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import { me, said } from "../state";
import { duration } from "../text";
import { dayNames } from "../words";
import { Name, Safe } from "./parts";
import { Trouble } from "./trouble";

interface Quiet { from: string; to: string; days: number[] }
interface Profile { zone: string; quiet: Quiet | null; quiet_now: boolean }

export function ProfileForm(): JSX.Element {
    const [p, setP] = useState<Profile | null>(null);
    const [error, setError] = useState<unknown>(null);
    useEffect(() => void call<Profile>("GET", "/v1/profile").then(setP, setError), []);
    async function save(e: Event): Promise<void> {
        e.preventDefault();
        if (!p) return;
        setError(null);
        try {
            setP(await call<Profile>("PUT", "/v1/profile", { zone: p.zone.trim(), ...(p.quiet ? { quiet: p.quiet } : {}) }));
            said.value = "Saved.";
        } catch (x) {
            setError(x);
        }
    }
    const quiet = (more: Partial<Quiet>): void => setP(p && { ...p, quiet: { from: "22:00", to: "07:00", days: [1, 2, 3, 4, 5, 6, 7], ...p.quiet, ...more } });
    const day = (d: number, on: boolean): void => quiet({ days: on ? [...(p?.quiet?.days ?? []), d].sort() : (p?.quiet?.days ?? []).filter((x) => x !== d) });
    return (
        <section aria-labelledby="hours">
            <h2 id="hours">Your hours</h2>
            {p && (
                <form class="panel" onSubmit={(e) => void save(e)}>
                    <label for="zone">Time zone, such as Europe/Berlin; empty: the policy's</label>
                    <input id="zone" value={p.zone} maxLength={64} autocomplete="off" onInput={(e) => setP({ ...p, zone: e.currentTarget.value })} />
                    <label class="check"><input type="checkbox" checked={p.quiet !== null} onChange={(e) => (e.currentTarget.checked ? quiet({}) : setP({ ...p, quiet: null }))} /> Quiet hours: nothing reminds me, others need not wait for me; I may still vote</label>
                    {p.quiet && (
                        <>
                            <div class="hours">
                                <label>From <input type="time" value={p.quiet.from} required onInput={(e) => quiet({ from: e.currentTarget.value })} /></label>
                                <label>to <input type="time" value={p.quiet.to} required onInput={(e) => quiet({ to: e.currentTarget.value })} /></label>
                            </div>
                            <fieldset><legend>on the evenings of</legend>
                                {dayNames.map((name, i) => <label class="check" key={name}><input type="checkbox" checked={p.quiet?.days.includes(i + 1)} onChange={(e) => day(i + 1, e.currentTarget.checked)} /> {name}</label>)}
                            </fieldset>
                        </>
                    )}
                    <div class="buttons"><button type="submit" class="button">Save</button></div>
                </form>
            )}
            {error != null && <Trouble error={error} />}
        </section>
    );
}

interface Delegation { id: string; from: string; to: string; why: string; remaining_ms: number }
const DAY_MS = 24 * 3600 * 1000;

export function Delegations(): JSX.Element {
    const [list, setList] = useState<Delegation[] | null>(null);
    const [to, setTo] = useState("");
    const [why, setWhy] = useState("");
    const [days, setDays] = useState(1);
    const [error, setError] = useState<unknown>(null);
    const load = (): Promise<void> => call<{ delegations: Delegation[] }>("GET", "/v1/delegations").then((v) => setList(v.delegations), setError);
    useEffect(() => void load(), []);
    async function make(e: Event): Promise<void> {
        e.preventDefault();
        setError(null);
        try {
            await call("POST", "/v1/delegations", { to: to.trim(), for_ms: days * DAY_MS, why: why.trim() });
            setTo("");
            setWhy("");
            said.value = "Delegated.";
            await load();
        } catch (x) {
            setError(x);
        }
    }
    async function end(id: string): Promise<void> {
        try {
            await call("DELETE", `/v1/delegations/${encodeURIComponent(id)}`);
            said.value = "Ended.";
            await load();
        } catch (x) {
            setError(x);
        }
    }
    const own = me.value?.person.name;
    return (
        <section aria-labelledby="delegations">
            <h2 id="delegations">Voting for each other</h2>
            {list && (list.length
                ? <ul class="passkeys">{list.map((d) => (
                    <li key={d.id}><Name text={d.to} /> votes for {d.from === own ? "you" : <Name text={d.from} />} for another {duration(d.remaining_ms)}: “<Safe text={d.why} />”{" "}
                        <button type="button" class="plain" onClick={() => void end(d.id)}>End it<span class="sr"> ({d.to} for {d.from})</span></button></li>
                ))}</ul>
                : <p class="quiet">Nobody votes for somebody else.</p>)}
            <form class="panel" onSubmit={(e) => void make(e)}>
                <label for="deputy">Who votes for you, where a requirement allows it</label>
                <input id="deputy" value={to} required autocomplete="off" onInput={(e) => setTo(e.currentTarget.value)} />
                <label for="deputy-days">For how many days</label>
                <input id="deputy-days" type="number" min={1} max={31} value={days} required onInput={(e) => setDays(Number(e.currentTarget.value))} />
                <label for="deputy-why">Why</label>
                <input id="deputy-why" value={why} required maxLength={2000} autocomplete="off" onInput={(e) => setWhy(e.currentTarget.value)} />
                <div class="buttons"><button type="submit" class="button" disabled={!to.trim() || !why.trim()}>Delegate</button></div>
            </form>
            {error != null && <Trouble error={error} />}
        </section>
    );
}
