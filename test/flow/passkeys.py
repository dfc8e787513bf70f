#!/usr/bin/python3
"""Passkeys in a browser with a virtual authenticator; the steps are in _passkey_steps.mjs."""
# timeout: 180
import json
import os
import subprocess
import sys

import phiflow

HERE = __file__.rpartition("/")[0]
TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))

with phiflow.Flow() as f:
    def link(name):
        return f.house.admin().call("POST", "/v1/links", {"person": name})["link"]

    def bundle():
        texts = {}
        for key, name in (("schema", "schema.cedarschema"), ("policies", "policies.cedar"), ("requirements", "requirements.yaml")):
            with open(os.path.join(TOP, "src/policy/starter", name), encoding="utf-8") as t:
                texts[key] = t.read()
        write = 'action in Action::"pg:write", resource in Target::"[\\"shop\\"]")\nwhen { context.met.contains("dba") };'
        assert write in texts["policies"]
        texts["policies"] = texts["policies"].replace(write, write.replace('contains("dba")', 'containsAll(["dba", "me"])'))
        texts["requirements"] = texts["requirements"].replace("  kind: approval\n", "  kind: approval\n  signed: true\n", 1) + "me:\n  kind: mfa\n"
        return texts

    f.house.admin().call("PUT", "/v1/bundle", bundle())
    admin = f.house.admin()
    token = admin.call("POST", "/v1/sessions", {"link": admin.call("POST", "/v1/links", {"person": "alice"})["secret"]})["token"]
    other = type(admin)(f.place.url(), token).call("POST", "/v1/requests", {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]},
                                                                   "for_ms": 120000, "why": "another"})
    given = {"other": other, "url": f.place.url(), "links": {n: [link(n) for _ in range(3)] for n in ("alice", "bob")}}
    done = subprocess.run(["node", f"{HERE}/_passkey_steps.mjs"], env={**f.env("alice"), "PHI_PASSKEYS": json.dumps(given)}, check=False,
                          stdin=subprocess.DEVNULL)
    sys.stdout.flush()
    if done.returncode not in (0, phiflow.SKIP_EXIT):
        f.failed += 1

