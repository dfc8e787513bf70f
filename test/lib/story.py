"""Examples of the HTTP API that hold: a story of calls against a running phid. Recorded, its answers become src/api/examples.json,
from which the OpenAPI document gets its examples; checked, each call is sent as the *document* says, with what phid made up this time
(ids, secrets, digests) in place of what it made up then, and the answer must have the example's members and types."""
import json
import os
import re
import time
import urllib.parse

TEXT_MAX = 240
NAMED = re.compile(r"\{([a-z*]+)\}")


class Wrong(Exception):
    pass


def kind(v):
    return "number" if isinstance(v, (int, float)) and not isinstance(v, bool) else type(v).__name__


def members(at, want, got, learn):
    if set(want) != set(got):
        raise Wrong(f"{at} has {sorted(set(got) - set(want))} more and lacks {sorted(set(want) - set(got))}")
    for k in want:
        shape(f"{at}.{k}", want[k], got[k], learn)


def shape(at, want, got, learn):
    """The same members and types all the way down; tells `learn` which text stands for which."""
    if kind(want) != kind(got):
        raise Wrong(f"{at} is {kind(got)} {str(got)[:80]!r}, the example's is {kind(want)}")
    if isinstance(want, dict):
        members(at, want, got, learn)
    elif isinstance(want, list):
        if bool(want) != bool(got):
            raise Wrong(f"{at} has {len(got)} items, the example's has {len(want)}")
        for i, v in enumerate(got):
            shape(f"{at}[{i}]", want[min(i, len(want) - 1)], v, learn if i < len(want) else lambda *_: None)
    elif isinstance(want, str) and want != got:
        learn(want, got)


def shorter(v):
    """An example's long texts end early; only where nobody sends them again."""
    if isinstance(v, dict):
        return {k: shorter(x) for k, x in v.items()}
    if isinstance(v, list):
        return [shorter(x) for x in v]
    return v[:TEXT_MAX] + "…" if isinstance(v, str) and len(v) > 2 * TEXT_MAX else v


class Story:
    """record: a file to write, or None to check. plain: pairs (of the example, of this run), such as the addresses."""

    def __init__(self, record, plain, document=None):
        self.file, self.plain, self.steps, self.done = record, plain, {}, set()
        self.learned = dict(plain)
        for path, methods in (document or {"paths": {}})["paths"].items():
            for method, o in methods.items():
                self.steps[f"{method.upper()} {path}"] = o

    # ---- what the document says -------------------------------------------------------------------------------
    def now(self, v):
        """An example's value as it is in this run."""
        if isinstance(v, dict):
            return {k: self.now(x) for k, x in v.items()}
        if isinstance(v, list):
            return [self.now(x) for x in v]
        if not isinstance(v, str) or v in self.learned:
            return self.learned.get(v, v) if isinstance(v, str) else v
        for was in sorted(self.learned, key=len, reverse=True):
            if len(was) >= 7 and was in v:
                v = v.replace(was, self.learned[was])
        return v

    def then(self, v):
        """What is recorded: this run's addresses as the documentation has them."""
        text = json.dumps(v, ensure_ascii=False)
        for example, real in self.plain:
            text = text.replace(json.dumps(real)[1:-1], example)
        return json.loads(text)

    def learn(self, was, is_now):
        if len(was) >= 6:
            self.learned[was] = is_now

    def told(self, route, given, fresh):
        """The call of the document: its values, body or form; `fresh` members are this run's own."""
        o = self.steps.get(route) or {}
        values = {p["name"]: p["example"] for p in o.get("parameters", []) if "example" in p}
        media = o.get("requestBody", {}).get("content", {})
        sent = next((m["example"] for m in media.values() if "example" in m), None)
        for name, want in (("values", values), ("body", sent)):
            if (want or {}).keys() != (given[name] or {}).keys():
                raise Wrong(f"the document's {name} {list(want or {})} are not {list(given[name] or {})}: record the examples anew (test/flow/examples.py)")
        mine = lambda name, want: None if want is None else {k: given[name][k] if k in fresh else self.now(v) for k, v in want.items()}  # noqa: E731
        return {"values": mine("values", values), "body": mine("body", sent)}

    # ---- one call -----------------------------------------------------------------------------------------------
    def send(self, who, route, call, form, headers, query):
        method, path = route.split(" ")
        values = dict(call["values"] or {})
        for name in NAMED.findall(path):
            path = path.replace("{" + name + "}", urllib.parse.quote(str(values.pop(name)), safe="/" if "*" in name else ""))
        values.update(query or {})  # what the document has no parameters for
        if values:
            path += "?" + urllib.parse.urlencode(values)
        headers = dict(headers(call) if callable(headers) else headers or {})
        body = call["body"]
        if form:
            body = urllib.parse.urlencode(body)
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return who.call(method, path, body, headers=headers)

    def do(self, who, route, body=None, form=None, values=None, headers=None, fresh=(), until=None, status=None, show=lambda j: j, query=None):
        """One step. who.call sends it; until: asked again until the answer's JSON fits; show: the part of the answer that is the example."""
        call = {"values": values or None, "body": body if form is None else form}
        if self.file is None:
            call = self.told(route, call, fresh)
        end = time.monotonic() + 90
        while True:
            got = self.send(who, route, call, form is not None, headers, query)
            if got.status >= 400 or until is None or until(got) or time.monotonic() > end:
                break
            time.sleep(0.05)
        self.done.add(route)
        if got.status >= 400 and got.status != status:
            raise Wrong(f"refused: {got}")
        if self.file is None:
            self.hold(route, got, show)
        else:
            self.keep(route, call, form is not None, got, show)
        return got

    def answer_of(self, got, show):
        media = (got.headers["Content-Type"] or "").split(";")[0] or None
        if media is None:
            return None, None
        if media.endswith("json"):
            return media, show(got.json)
        if media == "application/octet-stream":
            return media, None  # bytes are no text
        text = got.body.decode()
        return media, text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + "…"

    def hold(self, route, got, show):
        said = self.steps[route]["responses"].get(str(got.status))
        if said is None:
            raise Wrong(f"answered {got.status}, the document has {sorted(self.steps[route]['responses'])}")
        media, answer = self.answer_of(got, show)
        if media not in said.get("content", {None: {}}):
            raise Wrong(f"answered {media}, the document has {list(said.get('content', []))}")
        if media is None:
            return
        want = said["content"][media].get("example")
        if media.endswith("json"):
            shape("answer", want, answer, self.learn)
        elif bool(want) != bool(answer):
            raise Wrong("one of answer and example is empty")

    def keep(self, route, call, form, got, show):
        media, answer = self.answer_of(got, show)
        step = {"route": route, "values": call["values"], "form" if form else "body": call["body"], "status": got.status, "type": media,
                "answer": shorter(answer) if media and media.endswith("json") else answer}
        self.steps[route] = {k: v for k, v in self.then(step).items() if v is not None}

    def save(self, order):
        """In the order of the routes."""
        rows = [json.dumps(self.steps[r], ensure_ascii=False) for r in order if r in self.steps]
        with open(self.file + ".new", "w", encoding="utf-8") as f:
            f.write("[\n" + ",\n".join(rows) + "\n]\n")
        os.rename(self.file + ".new", self.file)
