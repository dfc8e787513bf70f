// Passkeys: the browser's part. What an answer must be is checked by phid, not here.
import { call } from "./api";

export interface Passkey { id: string; name: string; created_at: string; used_at?: string }

type Json = Record<string, unknown>;

const b64u = (bytes: ArrayBuffer): string =>
    btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function bytes(text: unknown): Uint8Array<ArrayBuffer> {
    const s = atob(String(text).replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(s, (c) => c.charCodeAt(0));
}

const keys = (list: unknown): PublicKeyCredentialDescriptor[] => (list as Json[]).map((k) => ({ type: "public-key", id: bytes(k["id"]) }));

/** Whether this browser, at this address, can use passkeys. */
export const usable = (): boolean => window.isSecureContext && "credentials" in navigator && typeof PublicKeyCredential === "function";

/** What a person should know of an error of the authenticator; others as they are. */
export function asError(e: unknown): unknown {
    if (!(e instanceof DOMException)) return e;
    if (e.name === "InvalidStateError") return new Error("This passkey is registered already.");
    if (e.name === "NotAllowedError") return new Error("The passkey was not used: it was cancelled, or its time was over.");
    return new Error(`The browser says: ${e.message}`);
}

export async function register(name: string): Promise<Passkey> {
    const { publicKey: o } = await call<{ publicKey: Json }>("POST", "/v1/passkeys/options");
    const user = o["user"] as Json;
    const made = (await navigator.credentials.create({
        publicKey: {
            ...(o as unknown as PublicKeyCredentialCreationOptions), challenge: bytes(o["challenge"]), excludeCredentials: keys(o["excludeCredentials"]),
            user: { id: bytes(user["id"]), name: String(user["name"]), displayName: String(user["displayName"]) },
        },
    })) as PublicKeyCredential;
    const r = made.response as AuthenticatorAttestationResponse;
    const { passkey } = await call<{ passkey: Passkey }>("POST", "/v1/passkeys", { name, client: b64u(r.clientDataJSON), attestation: b64u(r.attestationObject) });
    return passkey;
}

export interface Answer { id: string; client: string; auth: string; sig: string }

/** Has one of the keys sign the challenge. */
export async function sign(o: Json): Promise<Answer> {
    const got = (await navigator.credentials.get({
        publicKey: {
            challenge: bytes(o["challenge"]), rpId: String(o["rpId"]), allowCredentials: keys(o["allowCredentials"]), userVerification: "required", timeout: Number(o["timeout"]),
        },
    })) as PublicKeyCredential;
    const r = got.response as AuthenticatorAssertionResponse;
    return { id: b64u(got.rawId), client: b64u(r.clientDataJSON), auth: b64u(r.authenticatorData), sig: b64u(r.signature) };
}

export async function signIn(): Promise<void> {
    const { publicKey } = await call<{ publicKey: Json }>("POST", "/v1/sessions/passkey/options");
    await call("POST", "/v1/sessions/passkey", await sign(publicKey));
}
