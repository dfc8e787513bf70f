"""A client of phi (just-in-time approval): ask, wait, use. Python 3.9 or newer, standard library only; one file to copy.

    import phi

    client = phi.Client("https://phi.example:8470", token=os.environ["PHI_TOKEN"], ca_file="ca.pem")
    request = client.ask(target="shop", actions=["pg:write"], resources=["shop/public.orders"], why="fix order 7", for_s=600)
    with request.wait(900).use():          # raises Denied, Expired, StillPending; gives the grant back at the end
        fix_the_order()

    client.may("pg:select", "Table", ["shop", "public", "orders"])   # AuthZEN: True or False, consumes nothing

A `Client` is not for several threads at once; each may have its own.
"""
import contextlib
import http.client
import json
import random
import ssl
import time
import urllib.parse

__all__ = ["Client", "Request", "Problem", "Denied", "Expired", "StillPending", "Unreachable"]


class Problem(Exception):
    """phid said no: `status`, `code` (stable), `detail` and `next` (what to do) of its answer."""

    def __init__(self, status, body):
        self.status, self.body = status, body
        self.code, self.detail, self.next = (body.get(k, "") for k in ("code", "detail", "next"))
        super().__init__(f"{self.detail or body.get('title') or status} ({self.code or status}). {self.next}".strip())


class Denied(Problem):
    """By the policy, or by somebody: `reason` says why."""

    def __init__(self, status, body, reason=""):
        super().__init__(status, body)
        self.reason = reason or self.detail


class Expired(Denied):
    """Nobody answered in time, or the right is over."""


class StillPending(Exception):
    """The time to wait is over and the request still waits: `request` goes on."""

    def __init__(self, request):
        self.request = request
        super().__init__(f"{request.code} still waits for an approval")


class Unreachable(Exception):
    """No answer. `maybe_done`: phid may have seen the call; with the same `key` it is safe to repeat an ask."""

    def __init__(self, why, maybe_done):
        self.maybe_done = maybe_done
        super().__init__(why)


class Client:
    def __init__(self, url, token=None, ca_file=None, timeout_s=30):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.username:
            raise ValueError(f"{url}: say http:// or https://, a name, and a port where it is not the usual one")
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError(f"{url} would send the token in the clear: use https://")
        self._host, self._port, self._timeout = parts.hostname, parts.port, timeout_s
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        if self._tls:
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._token, self._connection, self.retry_after_s = token, None, 0

    def close(self):
        if self._connection:
            self._connection.close()
            self._connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- calls

    def _connect(self):
        if self._tls:
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def call(self, method, path, body=None, headers=None, again=True):
        """One call of docs/api.md: the answer's JSON (None for 204). Raises Problem or Unreachable."""
        send = {"Accept": "application/json", **(headers or {})}
        if self._token:
            send["Authorization"] = "Bearer " + self._token
        data = None
        if body is not None:
            data, send["Content-Type"] = json.dumps(body).encode(), "application/json"
        fresh = self._connection is None
        sent = False
        try:
            self._connection = self._connection or self._connect()
            self._connection.request(method, path, data, send)
            sent = True
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as e:
            self.close()
            # A connection kept open may have been closed meanwhile: what changes nothing is asked again.
            if not fresh and again and (method == "GET" or not sent):
                return self.call(method, path, body, headers, again=False)
            raise Unreachable(f"{self._host}: {e or type(e).__name__}", sent) from e
        self.retry_after_s = int(response.headers.get("Retry-After") or 0) if (response.headers.get("Retry-After") or "0").isdigit() else 0
        if "close" in (response.headers.get("Connection") or ""):
            self.close()
        return self._answer(response, text)

    @staticmethod
    def _answer(response, text):
        try:
            value = json.loads(text) if text else None
        except ValueError:
            value = None
        if 200 <= response.status < 300:
            return value
        body = value if isinstance(value, dict) else {}
        if body.get("code") in ("policy.denied", "right.missing"):
            raise Denied(response.status, body)
        if body.get("code") == "grant.ended":
            raise Expired(response.status, body)
        raise Problem(response.status, body)

    # ---- verbs

    def may(self, action, type, id, context=None):  # pylint: disable=redefined-builtin
        """AuthZEN's question about oneself. `id`: a text, or the parts of a phi id such as ["shop", "public", "orders"]."""
        return self.evaluate({"action": {"name": action}, "resource": {"type": type, "id": _id(id)}, "context": context or {}})["decision"]

    def evaluate(self, question):
        """As `may`, with the whole answer; `question` may name another subject where one has the right."""
        if "subject" not in question:
            question = {**question, "subject": {"type": "Person", "id": self.whoami()["person"]["id"]}}
        return self.call("POST", "/access/v1/evaluation", question)

    def whoami(self):
        return self.call("GET", "/v1/whoami")

    def ask(self, target, actions, resources, why, for_s=3600, uses=None, ticket=None, key=None):
        """Asks for these actions on these resources ("shop/public.orders") for so long: a Request, which may be approved at
        once by a rule. `key`: an Idempotency-Key, so that asking twice is asking once. Raises Denied."""
        body = {"target": target, "scope": {"actions": list(actions), "resources": list(resources)}, "why": why, "for_ms": int(for_s * 1000)}
        if uses is not None:
            body["uses"] = uses
        if ticket:
            body["ticket"] = ticket
        return Request(self, self.call("POST", "/v1/requests", body, {"Idempotency-Key": key} if key else None))

    def request(self, id_or_code):
        """A request that was made before, in this process or another."""
        return Request(self, self.call("GET", "/v1/requests/" + urllib.parse.quote(id_or_code, safe="")))


def _id(value):
    return value if isinstance(value, str) else json.dumps(list(value), separators=(",", ":"), ensure_ascii=False)


class Request:
    """`status`: pending, approved, denied, expired, cancelled, or allowed (the policy needs no approval)."""

    def __init__(self, client, answer):
        self._client = client
        self._take(answer)

    def _take(self, answer):
        self.answer = answer
        verdict = answer.get("verdict")
        self.id, self.code = answer.get("id", ""), answer.get("code", "")
        self.status = {"allow": "allowed", "grant": "approved"}.get(verdict) or answer.get("status", "")
        self.grant = answer.get("grant")
        if verdict == "grant":
            self.id, self.code = self.grant["request"], self.grant["code"]

    def __repr__(self):
        return f"<phi request {self.code or '-'} {self.status}>"

    def refresh(self):
        if self.id:
            self._take(self._client.call("GET", "/v1/requests/" + self.id))
        return self

    def wait(self, timeout_s=None):
        """Until somebody has answered; answers itself. Raises Denied, Expired, or StillPending after `timeout_s`."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        pause = 0.5
        while self.status == "pending":
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise StillPending(self)
            rest = max(pause * random.uniform(0.8, 1.2), self._client.retry_after_s)
            time.sleep(rest if left is None else min(rest, left))
            pause = min(pause * 1.5, 5)
            self.refresh()
        if self.status in ("approved", "allowed"):
            return self
        kind = Expired if self.status == "expired" else Denied
        raise kind(0, {"code": "request." + self.status, "detail": f"{self.code} was {self.status}"}, self.answer.get("reason", ""))

    @contextlib.contextmanager
    def use(self):
        """`with request.use():` the grant lives when the block begins, and is given back when it ends. It does not end the
        block when the right ends: what is enforced by a gateway is cut there, what is not heeds `remaining_s`."""
        if self.status == "allowed":
            yield self
            return
        self.refresh()
        if not self.grant or self.grant["status"] not in ("ready", "active") or self.grant["remaining_ms"] <= 0:
            raise Expired(0, {"code": "grant.ended", "detail": f"the grant of {self.code or 'this request'} is over"})
        self._until = time.monotonic() + self.grant["remaining_ms"] / 1000
        try:
            yield self
        finally:
            self.give_back()

    def remaining_s(self):
        """Of the right that `use` began with; 0 when it is over."""
        return max(0.0, getattr(self, "_until", 0) - time.monotonic())

    def give_back(self):
        """Ends the right; fine when it has ended."""
        try:
            self._client.call("POST", f"/v1/grants/{self.grant['id']}/return", {})
        except Problem as e:
            if e.status not in (403, 404, 409):
                raise

    def cancel(self):
        self._take(self._client.call("POST", f"/v1/requests/{self.id}/cancel", {}))
        return self
