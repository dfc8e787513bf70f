#!/usr/bin/python3
"""The console in a browser against a real phid, gateway and psql; the steps are in _console_steps.mjs."""
# timeout: 240
import json
import subprocess
import sys

import phiflow

HERE = __file__.rpartition("/")[0]

with phiflow.Flow() as f:
    def link(name):
        return f.house.admin().call("POST", "/v1/links", {"person": name})["link"]

    f.house.admin().make("/v1/people", {"name": "carol", "groups": ["dba"]})
    given = {"url": f.place.url(), "links": {n: [link(n) for _ in range(3)] for n in ("alice", "bob", "carol")}, "psql": f.psql_cmd("alice", "-c"),
             "phi": f.place.program("phi")}
    done = subprocess.run(["node", f"{HERE}/_console_steps.mjs"], env={**f.env("alice"), "PHI_CONSOLE": json.dumps(given)}, check=False,
                          stdin=subprocess.DEVNULL)
    sys.stdout.flush()
    if done.returncode not in (0, phiflow.SKIP_EXIT):
        f.failed += 1
