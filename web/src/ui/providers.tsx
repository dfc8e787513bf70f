// Buttons of the identity providers that one can sign in with. Each is a plain form: phid answers with a page that goes on.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import { Safe } from "./parts";

interface Provider { name: string; title: string }

export function Providers(): JSX.Element | null {
    const [list, setList] = useState<Provider[]>([]);
    useEffect(() => void call<{ providers: Provider[] }>("GET", "/v1/login").then((v) => setList(v.providers), () => undefined), []);
    if (list.length === 0) return null;
    return (
        <div class="providers">
            {list.map((p) => (
                <form key={p.name} method="post" action={`/login/oidc/${encodeURIComponent(p.name)}`}>
                    <input type="hidden" name="next" value={location.pathname} />
                    <button type="submit" class="button">Sign in with <Safe text={p.title} /></button>
                </form>
            ))}
        </div>
    );
}
