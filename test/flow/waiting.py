#!/usr/bin/python3
# timeout: 240
"""What may happen while alice waits: Ctrl-C, a closed window, an answer that never comes, a phid that dies, a denial; and her
terminal without a locale."""
import os
import re

import phiflow
from session import Psql

CODE = r"phi (\w{3}-\w{3}) is waiting"


def short(text):
    """Requests that need one DBA wait 3 s."""
    return text.replace("pending_ttl: 15m    #", "pending_ttl: 3s    #")


def wait(psql, sql):
    psql.say(sql)
    return psql.expect(CODE, 15).group(1)


def rows(f, number):
    return f.direct(f"SELECT count(*) FROM orders WHERE id = {number}")


def main(f):
    def status(code):
        return re.search(r'"status": ?"(\w+)"', f.phi("bob", "show", code, "--json")).group(1)

    def approve(code):
        f.phi("bob", "approve", code, "--digest", re.search(r'"digest": ?"(\w+)"', f.phi("bob", "show", code, "--json")).group(1))

    @f.test("Ctrl-C cancels the request, and the session goes on")
    def _():
        p = Psql(f.house, "alice")
        code = wait(p, "DELETE FROM orders WHERE id = 11;")
        p.interrupt()
        p.expect("ERROR:  canceling statement due to user request", 15)
        f.until(lambda: status(code) == "cancelled", 10, "the request is still there")
        p.say("SELECT 'still here';")
        p.expect("^still here$")
        p.close()

    @f.test("a closed window cancels the request")
    def _():
        p = Psql(f.house, "alice")
        code = wait(p, "DELETE FROM orders WHERE id = 11;")
        p.hang_up()
        f.until(lambda: status(code) == "cancelled", 10, "the request is still there")
        f.equal(rows(f, 11), "1")

    @f.test("of two who wait for the same, one who leaves takes nothing from the other")
    def _():
        one, two = Psql(f.house, "alice"), Psql(f.house, "alice")
        code = wait(one, "DELETE FROM orders WHERE id = 12;")
        f.equal(wait(two, "DELETE FROM orders WHERE id = 12;"), code)
        one.hang_up()
        two.quiet("ERROR|DELETE", 0.3)
        approve(code)
        two.expect("^DELETE 1$", 15)
        two.close()

    @f.test("a denial reaches alice with its reason and 42501")
    def _():
        p = Psql(f.house, "alice")
        p.say("\\set VERBOSITY verbose")
        code = wait(p, "DELETE FROM orders WHERE id = 11;")
        f.phi("bob", "deny", code, "-m", "wrong ticket")
        f.contains(p.expect("ERROR:  42501: .*", 15).group(0), "wrong ticket")
        p.close()

    @f.test("a terminal without a locale works, and is answered as UTF8")
    def _():
        p = Psql(f.house, "alice", env={"LC_ALL": "C", "LANG": "C"})
        p.say("SHOW client_encoding;")
        p.expect("^UTF8$")
        p.say("SELECT 'Größe ✓';")
        p.expect("^Größe ✓$")
        code = wait(p, "DELETE FROM orders WHERE id = 13 AND item <> 'Größe';")
        f.contains(f.phi("bob", "show", code), "Größe")
        approve(code)
        p.expect("^DELETE 1$", 15)
        p.close()

    @f.test("phid killed while alice waits: nothing passes, nothing is lost, she goes on")
    def _():
        p = Psql(f.house, "alice")
        code = wait(p, "DELETE FROM orders WHERE id = 14;")
        os.kill(f.house.phid.pid(), 9)
        p.quiet("DELETE|ERROR|FATAL", 1)
        f.equal(rows(f, 14), "1")
        f.house.start(f.house.phid, ["people", "gateways"])
        f.until(lambda: code in f.phi("bob", "inbox"), 5, "the request is lost")
        approve(code)
        p.expect("^DELETE 1$", 10)
        p.say("SELECT count(*) FROM orders WHERE id = 14;")
        p.expect("^0$", 5)
        code = wait(p, "DELETE FROM orders WHERE id = 15;")
        approve(code)
        p.expect("^DELETE 1$", 5)
        p.close()
        f.contains(f.phi("bob", "log", "verify"), "verified")

    @f.test("a gateway killed while alice waits: nothing passes, and it serves again")
    def _():
        p = Psql(f.house, "alice")
        code = wait(p, "DELETE FROM orders WHERE id = 16;")
        os.kill(f.house.gateway.pid(), 9)
        p.expect("server closed the connection|connection to the server was lost", 5)
        f.equal(rows(f, 16), "1")
        p.close()
        f.house.start(f.house.gateway, ["gateway"])
        approve(code)
        f.equal(rows(f, 16), "1")
        p = Psql(f.house, "alice")
        p.say("DELETE FROM orders WHERE id = 16;")  # approved meanwhile, and not yet used
        p.expect("^DELETE 1$", 5)
        p.close()


with phiflow.Flow() as flow:
    main(flow)

    @flow.test("a request that nobody answers expires, and alice is told")
    def _():
        texts = flow.house.admin().call("GET", "/v1/bundle")
        flow.house.admin().call("PUT", "/v1/bundle", {"schema": texts["schema"], "policies": texts["policies"],
                                "requirements": short(texts["requirements"])})
        p = Psql(flow.house, "alice")
        code = wait(p, "DELETE FROM orders WHERE id = 17;")
        p.expect(f"ERROR: .*{code}.*expired|ERROR: .*expired", 6)
        flow.contains(flow.phi("bob", "show", code), "expired")
        flow.equal(rows(flow, 17), "1")
        p.say("SELECT 1;")
        p.expect("^1$")
        p.close()
