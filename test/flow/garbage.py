#!/usr/bin/python3
# timeout: 240
"""Bytes that nobody meant to send, at a gateway and a phid that serve: cut short, byte by byte, of wrong lengths, of another protocol, changed
at random. Nothing crashes, nothing that was not asked for runs, and those who are signed in beside it go on."""
import os
import random
import socket
import ssl
import struct
import sys
import urllib.parse

import phiflow
import gateway_wire as wire
from session import Psql

ROUNDS = int(os.environ.get("PHI_ROUNDS", "80"))
SEED = int(os.environ.get("PHI_SEED", "11"))
PATIENCE = 15


def startup(**params):
    body = struct.pack("!I", 196608) + b"".join(wire.cstr(k) + wire.cstr(v) for k, v in params.items()) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def hello(first, *more):
    return struct.pack("!" + "I" * (1 + len(more)), first, *more)


SSL_REQUEST, GSS_REQUEST = hello(8, 80877103), hello(8, 80877104)


class Wild:
    """A socket that sends what it is told and looks at what comes, without expecting any of it."""

    def __init__(self, port, sock=None):
        self.sock = sock or socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass  # it was closed before all was sent
        return self

    def slowly(self, data):
        for i in range(len(data)):
            self.send(data[i:i + 1])
        return self

    def rest(self, most=1 << 20):
        """All that comes until it is closed, after our own end."""
        got = b""
        try:
            self.sock.shutdown(socket.SHUT_WR)
            while len(got) < most:
                part = self.sock.recv(65536)
                if not part:
                    break
                got += part
        except OSError:
            pass
        self.sock.close()
        return got


def messages(text):
    """What a signed-in client might send, well formed."""
    return [("Q", wire.cstr(text)), wire.parse(text, "s"), wire.parse("SELECT $1::int", "t", (23,)), wire.bind("7", stmt="t"), wire.describe("S", "t"),
            wire.describe("P"), wire.execute(), ("C", b"Ss\0"), ("S", b""), ("H", b""), ("d", b"1\tx\n"), ("c", b""), ("f", b"no\0"), ("F", b"\0\0\0\1\0\0\0\0\0\0"),
            ("p", b"x\0"), ("X", b""), ("?", b"?"), ("\0", b""), ("v", b"\0\0\0\0"), ("Z", b"I")]


def garbled(r, data):
    data = bytearray(data)
    for _ in range(r.choice((1, 1, 2, 8))):
        at, how = r.randrange(len(data) + 1), r.randrange(4)
        if how == 0 and at < len(data):
            data[at] = r.choice((0, 1, 0x7f, 0x80, 0xff, r.randrange(256)))
        elif how == 1:
            del data[at:at + r.randrange(1, 9)]
        elif how == 2:
            data[at:at] = bytes(r.randrange(256) for _ in range(r.randrange(1, 9)))
        else:
            del data[at:]
    return bytes(data)


def framed(kind, body, length=None):
    return kind.encode("latin-1") + struct.pack("!I", (len(body) + 4 if length is None else length) & 0xffffffff) + body


HTTP = [
    b"GET /healthz HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /healthz\r\n\r\n", b"GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET http://evil/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /healthz HTTP/1.1\nHost: localhost\n\n", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX\0: a\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX : a\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n: a\r\n\r\n", b"\r\n\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 5000 + b"\r\n",
    b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n", b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}{}{}{}",
]
# Two readings of where a request ends: a second one would hide behind the first.
HIDDEN = b"GET /v1/hidden HTTP/1.1\r\nHost: localhost:%d\r\n\r\n"
SMUGGLE = [
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    b"Content-Length: 0, 5\r\n\r\n", b"Content-Length: +0\r\n\r\n", b"Content-Length: 0x0\r\n\r\n", b"Content-Length : 0\r\n\r\n", b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0\n\n", b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
    b"X: a\nContent-Length: 0\r\n\r\n", b"X: a\rContent-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n",
]


with phiflow.Flow() as f:
    port, people, gateways = (f.place.ports[k] for k in ("gateway", "people", "gateways"))
    url = urllib.parse.urlsplit(f.url("alice"))
    who = {"user": urllib.parse.unquote(url.username), "database": "shop"}
    neighbour = Psql(f.house, "alice")
    pids = f.house.phid.pid(), f.house.gateway.pid()
    r = random.Random(SEED)

    class Door:
        port = f.place.ports["gateway"]

    def client():
        """Signed in."""
        return Wild(port, wire.Client(Door, user=who["user"], password=urllib.parse.unquote(url.password)).sock)

    def both_well():
        f.equal((f.house.phid.pid(), f.house.gateway.pid()), pids)
        neighbour.say("SELECT 'orders ' || count(*) FROM orders;")
        neighbour.expect("^orders 10000$", PATIENCE)
        f.equal(f.psql("alice", "SELECT 1"), "1")
        f.contains(f.phi("bob", "whoami"), "bob")

    @f.test("a startup that is cut short, byte by byte, of a wrong length or another protocol's")
    def _():
        good = startup(**who)
        for n in range(len(good)):
            Wild(port).send(good[:n]).rest()
        f.true(Wild(port).slowly(good).rest().startswith(b"R"), "a startup byte by byte is not read")
        for data in [hello(n, 196608) + b"user\0x\0\0" for n in (0, 1, 3, 4, 7, 8, 9, 10000, 10001, 1 << 20, 0x7fffffff, 0x80000000, 0xffffffff)] + [
                hello(8, 196608), hello(9, 196608) + b"\0", hello(8, 131072), hello(8, 262144), hello(16, 80877102, 1, 2), hello(12, 80877102, 1), hello(15, 80877102, 1, 2),
                hello(16, 80877102, 0xffffffff, 0xffffffff), SSL_REQUEST * 3, GSS_REQUEST * 3, SSL_REQUEST + good, GSS_REQUEST + SSL_REQUEST + good,
                startup(**who, options="-c " * 3000), startup(**{f"_pq_.{i}": "x" for i in range(400)}, **who), startup(**{f"k{i}": "v" for i in range(900)}),
                startup(user="a" * 9000, database="shop"), startup(user="~~~~", database="shop"), startup(user="~", database="\x7f"), good[:-1] + b"x" * 50, good + good,
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-x\r\n", b"\x16\x03\x01\x00\xf0\x01\x00\x00\xec\x03\x03" + bytes(200), b"\xff" * 5000, bytes(5000)]:
            said = Wild(port).send(data).rest()
            f.true(b"orders" not in said and len(said) < 20000, said[:200])
        for _ in range(ROUNDS):
            Wild(port).send(garbled(r, good)).rest()
        both_well()

    @f.test("a sign-in that is garbled lets nobody in")
    def _():
        data = b"n,,n=,r=abcdefghijklmnop"
        first = framed("p", wire.cstr("SCRAM-SHA-256") + struct.pack("!I", len(data)) + data)
        last = framed("p", b"c=biws,r=abcdefghijklmnop,p=" + b"A" * 43 + b"=")
        for _ in range(ROUNDS):
            said = Wild(port).send(startup(**who) + garbled(r, first) + garbled(r, last)).rest()
            f.true(b"R\0\0\0\x08\0\0\0\0" not in said, "somebody was let in")
        both_well()

    @f.test("messages of a signed-in client: cut, split, of wrong lengths, changed; no row goes")
    def _():
        good = b"".join(framed(k, b) for k, b in messages("DELETE FROM orders WHERE id = 41"))
        for kind, body in messages("SELECT 1"):
            for length in (0, 3, 4, 5, len(body) + 3, len(body) + 5, 1 << 26, (1 << 26) + 5, 0x7fffffff, 0x80000000, 0xffffffff):
                client().send(framed(kind, body, length)).rest()
        for _ in range(ROUNDS):
            data = garbled(r, b"".join(framed(*m) for m in r.sample(messages("SELECT id FROM orders WHERE id < 3"), 6)))
            (Wild.slowly if r.random() < 0.2 else Wild.send)(client(), data).rest()
        for n in range(0, len(good), 7):
            client().send(good[:n]).rest()
        f.equal(f.direct("SELECT count(*) FROM orders WHERE id = 41"), "1")
        both_well()

    @f.test("HTTP that nobody sends: refused or answered below 500, split or whole")
    def _():
        for data in [h.replace(b"Host: localhost\r", b"Host: localhost:%d\r" % people) for h in HTTP] + [garbled(r, r.choice(HTTP)) for _ in range(ROUNDS)]:
            for way in (Wild.send, Wild.slowly) if len(data) < 200 else (Wild.send,):
                said = way(Wild(people), data).rest()
                f.true(not said.startswith(b"HTTP/1.1 5") or said[9:12] in (b"501", b"505"), (data[:200], said[:200]))
        both_well()

    @f.test("no request hides in another one's body")
    def _():
        for head in SMUGGLE:
            said = Wild(people).send(b"POST /v1/sessions HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json\r\n" % people + head + HIDDEN % people).rest()
            f.true(said.count(b"HTTP/1.1 ") <= 1, (head, said[:600]))
        both_well()

    @f.test("TLS that is garbled, at the gateways' listener; and plain HTTP there")
    def _():
        context, into, out = ssl.create_default_context(), ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            context.wrap_bio(into, out, server_hostname="localhost").do_handshake()
        except ssl.SSLWantReadError:
            pass
        first = out.read()
        for n in range(0, len(first), 11):
            Wild(gateways).send(first[:n]).rest()
        Wild(gateways).slowly(first).rest()
        for data in [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", first * 5, b"\x16\x03\x03\xff\xff" + bytes(70000), b"\x15\x03\x03\x00\x02\x02\x28", bytes(9000)] + [
                garbled(r, first) for _ in range(ROUNDS)]:
            f.true(b"HTTP/1.1 2" not in Wild(gateways).send(data).rest(), data[:100])
        both_well()

    neighbour.close()
