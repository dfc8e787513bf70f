#!/usr/bin/python3
"""Passkeys in a browser with a virtual authenticator; the steps are in _passkey_steps.mjs."""
# timeout: 180
import json
import subprocess
import sys

import phiflow

HERE = __file__.rpartition("/")[0]

with phiflow.Flow() as f:
    def link(name):
        return f.house.admin().call("POST", "/v1/links", {"person": name})["link"]

    given = {"url": f.place.url(), "links": {n: [link(n) for _ in range(3)] for n in ("alice", "bob")}}
    done = subprocess.run(["node", f"{HERE}/_passkey_steps.mjs"], env={**f.env("alice"), "PHI_PASSKEYS": json.dumps(given)}, check=False,
                          stdin=subprocess.DEVNULL)
    sys.stdout.flush()
    if done.returncode not in (0, phiflow.SKIP_EXIT):
        f.failed += 1

