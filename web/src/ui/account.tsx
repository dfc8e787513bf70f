// One's own account: passkeys.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import { asError, type Passkey, register, signIn, usable } from "../passkey";
import { me, said } from "../state";
import { Safe } from "./parts";
import { Delegations, ProfileForm } from "./self";
import { Trouble } from "./trouble";

const day = (at: string): string => new Date(at).toLocaleDateString(undefined, { dateStyle: "medium" });

/** Signs in with a passkey; the page is loaded anew, so that nothing of before stays. */
export function PasskeyButton({ text, then }: { text: string; then: () => void }): JSX.Element {
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<unknown>(null);
    async function go(): Promise<void> {
        setBusy(true);
        setError(null);
        try {
            await signIn();
            then();
        } catch (e) {
            setError(asError(e));
        }
        setBusy(false);
    }
    return (
        <>
            <button type="button" class="button" disabled={busy} onClick={() => void go()}>{text}</button>
            {error !== null && <Trouble error={error} />}
        </>
    );
}

function Key({ k, only, removed, failed }: { k: Passkey; only: boolean; removed: () => void; failed: (e: unknown) => void }): JSX.Element {
    const [sure, setSure] = useState(false);
    async function remove(): Promise<void> {
        try {
            await call("DELETE", `/v1/passkeys/${encodeURIComponent(k.id)}`);
            said.value = "Removed.";
            removed();
        } catch (e) {
            failed(e);
        }
        setSure(false);
    }
    return (
        <li>
            <b><Safe text={k.name} /></b> <span class="quiet">since {day(k.created_at)}{k.used_at ? `, last used ${day(k.used_at)}` : ""}</span>{" "}
            {only ? <span class="quiet">(the last one stays)</span>
                : sure ? <button type="button" class="button" onClick={() => void remove()}>Remove it</button>
                : <button type="button" class="plain" onClick={() => setSure(true)}>Remove …</button>}
        </li>
    );
}

export function Account(): JSX.Element {
    const [list, setList] = useState<Passkey[] | null>(null);
    const [name, setName] = useState("");
    const [busy, setBusy] = useState(false);
    const [error, setError] = useState<unknown>(null);
    const load = async (): Promise<void> => {
        try {
            setList((await call<{ passkeys: Passkey[] }>("GET", "/v1/passkeys")).passkeys);
        } catch (e) {
            setError(e);
        }
    };
    useEffect(() => void load(), []);
    async function add(): Promise<void> {
        setBusy(true);
        setError(null);
        try {
            await register(name.trim());
            setName("");
            said.value = "Registered.";
            await load();
        } catch (e) {
            setError(asError(e));
        }
        setBusy(false);
    }
    const show = (error as { code?: string } | null)?.code === "passkey.show";
    return (
        <>
        <section class="keyring" aria-labelledby="passkeys">
            <p>You are <b><Safe text={me.value?.person.name ?? ""} /></b>{me.value?.person.groups.length ? <>, in <Safe text={me.value.person.groups.join(", ")} /></> : null}.</p>
            <h2 id="passkeys">Passkeys</h2>
            <p>A passkey (your finger, face or PIN on a phone, computer or security key) signs you in here, and signs your approval where a policy wants that.</p>
            {list && (list.length
                ? <ul class="passkeys">{list.map((k) => <Key key={k.id} k={k} only={list.length === 1} removed={() => void load()} failed={setError} />)}</ul>
                : <p class="quiet">You have none yet.</p>)}
            {usable()
                ? <form onSubmit={(e) => { e.preventDefault(); void add(); }}>
                    <label for="keyname">Name of a new one, such as “my phone”</label>{" "}
                    <input id="keyname" value={name} maxLength={64} onInput={(e) => setName(e.currentTarget.value)} required />{" "}
                    <button type="submit" class="button" disabled={busy || !name.trim()}>Register a passkey</button>
                </form>
                : <p class="quiet">This browser, or this address, has no passkeys: they need https under a name, or http://localhost.</p>}
            {error !== null && <Trouble error={error} />}
            {show && <p><PasskeyButton text="Show a passkey" then={() => location.reload()} /></p>}
        </section>
        <ProfileForm />
        <Delegations />
        </>
    );
}
