// The console: header, tabs, page, and what is said to those who do not look.
import { effect } from "@preact/signals";
import { render, type JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { helpOpen, keysOn, listenKeys, move, setKeys } from "./keys";
import { signOut, start } from "./live";
import { go, hrefOf, listen, route, type Page } from "./route";
import { link, me, pending, said, trouble } from "./state";
import { Ask } from "./ui/ask";
import { Account, PasskeyButton } from "./ui/account";
import { Channels } from "./ui/channels";
import { Detail } from "./ui/detail";
import { Grants } from "./ui/grants";
import { Inbox, Mine } from "./ui/list";
import { Log } from "./ui/log";
import { usable } from "./passkey";
import { Providers } from "./ui/providers";
import { Sessions } from "./ui/sessions";
import { Safe } from "./ui/parts";

const tabs: [Page, string][] = [["inbox", "Inbox"], ["mine", "Mine"], ["grants", "Grants"], ["log", "Log"]];

function Header(): JSX.Element {
    const page = route.value.page;
    return (
        <header class="top">
            <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to the content</a>
            <span class="mark" aria-hidden="true">φ</span>
            <nav aria-label="Pages">
                {tabs.map(([p, name]) => (
                    <a key={p} href={hrefOf(p)} aria-current={page === p ? "page" : undefined}>
                        {name}{p === "inbox" && pending.value > 0 && <span class="badge"><span class="sr">, </span>{pending.value}<span class="sr"> waiting</span></span>}
                    </a>
                ))}
            </nav>
        </header>
    );
}

const linkWords = { connecting: "connecting …", live: "live", lost: "connection lost, trying again …" };

function Footer(): JSX.Element {
    return (
        <footer class="foot">
            <span>You are <a href={hrefOf("account")}><b><Safe text={me.value?.person.name ?? ""} /></b></a></span>
            <span class={`link ${link.value}`}>{linkWords[link.value]}</span>
            <a href={hrefOf("channels")}>Messages</a>
            <button type="button" class="plain" onClick={() => (helpOpen.value = true)}>Keys</button>
            <button type="button" class="plain" onClick={() => void signOut()}>Sign out</button>
        </footer>
    );
}

const help: [string, string][] = [
    ["j k", "next, previous"], ["Enter", "open"], ["a", "approve (asks once more)"], ["d", "deny (asks why)"], ["Esc", "back"],
    ["1 2 3 4", "Inbox, Mine, Grants, Log"], ["n", "ask for something new"], ["?", "this"],
];

function Help(): JSX.Element {
    const ref = useRef<HTMLDialogElement>(null);
    const open = helpOpen.value;
    useEffect(() => {
        if (open) ref.current?.showModal();
        else ref.current?.close();
    }, [open]);
    return (
        <dialog ref={ref} aria-labelledby="help-title" onClose={() => (helpOpen.value = false)}>
            <h2 id="help-title">Keys</h2>
            <dl class="keys">{help.map(([k, what]) => <div key={k}><dt>{k.split(" ").map((x) => <kbd key={x}>{x}</kbd>)}</dt><dd>{what}</dd></div>)}</dl>
            <label class="check"><input type="checkbox" checked={keysOn.value} onChange={(e) => setKeys(e.currentTarget.checked)} /> Single keys work</label>
            <button type="button" class="button" onClick={() => (helpOpen.value = false)}>Close</button>
        </dialog>
    );
}

function SignedOut(): JSX.Element {
    return (
        <main id="main" class="signedout" tabIndex={-1}>
            <p class="mark big" aria-hidden="true">φ</p>
            <h1 tabIndex={-1} id="title">You are not signed in</h1>
            <Providers />
            {usable() && <p><PasskeyButton text="Sign in with a passkey" then={() => location.reload()} /></p>}
            <p>phi signs you in by a link that works once. Ask an administrator for one and open it in this browser.</p>
            <p>On the command line: <code>phi login {location.origin}</code></p>
            <p class="quiet">In the demo, <code>./dev up</code> prints a link for bob.</p>
            {trouble.value && <p class="bad" role="alert">{trouble.value}</p>}
        </main>
    );
}

const titles: Record<Exclude<Page, "request">, string> = { ask: "Ask", inbox: "Inbox", mine: "Mine", grants: "Grants", log: "Log", channels: "Messages", account: "Your account" };

function Tab({ page }: { page: Exclude<Page, "request" | "ask"> }): JSX.Element {
    return (
        <>
            <h1 tabIndex={-1} id="title" class="tabtitle">{titles[page]}</h1>
            {page === "inbox" ? <Inbox /> : page === "mine" ? <Mine /> : page === "grants" ? <Grants /> : page === "channels" ? <Channels /> : page === "account" ? <><Account /><Sessions /></> : <Log />}
        </>
    );
}

function App(): JSX.Element {
    const { page, code } = route.value;
    const first = useRef(true);
    useEffect(() => {
        if (first.current) first.current = false;
        else if (!document.activeElement?.matches("[data-item]")) document.getElementById("title")?.focus();
        if (page === "request") window.scrollTo(0, 0);
    }, [page, code]);
    if (me.value === null) return <SignedOut />;
    if (me.value === undefined) return <main id="main" class="signedout"><h1 class="sr">phi</h1><p class="quiet" role="status">{trouble.value || "One moment …"}</p></main>;
    return (
        <>
            <Header />
            {link.value === "lost" && <p class="lost" role="status">Not connected to phi: what you see may be old. Trying again.</p>}
            {trouble.value && <p class="bad wide" role="alert">{trouble.value}</p>}
            <main id="main" tabIndex={-1}>{page === "request" ? <Detail key={code} code={code} /> : page === "ask" ? <Ask key={code} which={code} /> : <Tab page={page} />}</main>
            <Footer />
            <Help />
        </>
    );
}

const Root = (): JSX.Element => (
    <>
        <App />
        <div class="sr" role="status" aria-live="polite">{said.value}</div>
    </>
);

effect(() => {
    const { page, code } = route.value;
    const n = pending.value;
    const name = me.value === null ? "Sign in" : page === "request" ? code : titles[page];
    document.title = `${n > 0 ? `(${n}) ` : ""}${name} · phi`;
});

listen();
listenKeys(new Map<string, () => void>([
    ["j", () => move(1)], ["k", () => move(-1)], ["?", () => (helpOpen.value = true)], ["n", () => go(hrefOf("ask"))],
    ...tabs.map(([p], i): [string, () => void] => [String(i + 1), () => go(hrefOf(p))]),
]));
render(<Root />, document.getElementById("app")!);
void start();
