#!/usr/bin/python3
# timeout: 120
"""A request's life by the command line: asked, changed, approved, gone on from, given back; and its people forgotten."""
import json

import phiflow

with phiflow.Flow() as f:
    def phi(who, *args):
        return json.loads(f.phi(who, *args, "--json"))

    def request(*args):
        return phi("alice", "request", "pg:write", "shop/public.orders", "-m", "tidy up", *args)

    f.house.admin().make("/v1/people", {"name": "carol", "groups": ["dba"]})

    @f.test("a pending request is changed by its requester, and what was voted on before counts for nothing")
    def _():
        r = request("--for", "10m", "--budget", "rows=50", "--watch", "carol")
        done = phi("alice", "request", "pg:write", "shop/public.orders", "-m", "less of it", "--for", "5m", "--budget", "rows=20", "--changes", r["code"])
        assert (done["id"], done["version"], done["bounds"]["rows"], done["watchers"]) == (r["id"], 2, 20, ["carol"]), done
        old = f.phi("bob", "approve", r["code"], "--digest", r["digest"], "-y", check=False)
        assert old.returncode != 0 and "look at it again" in old.stderr, old.stderr
        assert phi("bob", "approve", r["code"], "--digest", done["digest"], "-y")["status"] == "approved"
        late = f.phi("alice", "request", "pg:write", "shop/public.orders", "-m", "x", "--changes", r["code"], check=False)
        assert late.returncode != 0 and "ended" in late.stderr, late.stderr
        both = f.phi("alice", "request", "pg:write", "shop/public.orders", "-m", "x", "--changes", r["code"], "--break-glass", check=False)
        assert both.returncode == 2 and "--break-glass" in both.stderr, both.stderr
        f.code = r["code"]

    @f.test("an extension has the rows of its grant where nothing is said, and no more where it is")
    def _():
        e = phi("alice", "request", "--extends", f.code, "--target", "shop", "--for", "5m", "-m", "not done yet")
        assert e["bounds"]["rows"] == 20, e["bounds"]
        more = f.phi("alice", "request", "--extends", f.code, "--target", "shop", "--for", "5m", "--budget", "rows=21", "-m", "more", check=False)
        assert more.returncode != 0 and "its budget is smaller" in more.stderr, more.stderr
        f.phi("alice", "cancel", e["code"])
        f.phi("alice", "grant", "return", f.code)

    @f.test("who is forgotten is forgotten, and the answer says whether that goes on")
    def _():
        r = request("--for", "7m")
        f.phi("bob", "ask", r["code"], "why so late?")
        f.phi("bob", "deny", r["code"], "-m", "not tonight")
        gone = f.house.admin().call("POST", "/v1/people/bob/forget", {})
        assert gone["texts"] >= 2 and gone["entries_left"] == 0, gone
        seen = phi("alice", "show", r["code"])
        assert [m["text"] for m in seen["remarks"]] == [""] and not seen["reason"], seen
