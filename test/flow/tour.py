#!/usr/bin/python3
"""Every line of the demo's tour, on a demo of its own."""
import phiflow
from check import Walk

with phiflow.Flow() as f:
    walk = Walk(f.cluster, f.house)
    try:
        for what, step in walk.steps():
            f.test("tour " + what)(step)
    finally:
        walk.close()
