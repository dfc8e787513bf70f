"""Keys that people, chats and operators sign with, for tests; all by openssl."""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import time


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*args, stdin=b""):
    return subprocess.run(["openssl", *args], input=stdin, check=True, capture_output=True).stdout


class Passkey:
    """A WebAuthn authenticator of one ES256 key (Level 3, §6.1, §6.5), always with user verification."""

    count = 0

    def __init__(self, folder, rp, origin):
        Passkey.count += 1
        self.rp, self.origin, self.uses, self.id = hashlib.sha256(rp.encode()).digest(), origin, 0, os.urandom(16)
        self.file = os.path.join(folder, f"passkey-{Passkey.count}.pem")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.file)
        point = openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")[-64:]
        self.cose = bytes.fromhex("a5010203262001215820") + point[:32] + bytes.fromhex("225820") + point[32:]

    def data(self, kind, challenge, flags):
        self.uses += 1
        client = json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()
        return client, self.rp + bytes([flags]) + self.uses.to_bytes(4, "big")

    def made(self, challenge):
        client, auth = self.data("webauthn.create", challenge, 0x45)
        auth += bytes(16) + len(self.id).to_bytes(2, "big") + self.id + self.cose
        cbor = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58" + bytes([len(auth)]) + auth
        return {"client": b64u(client), "attestation": b64u(cbor)}

    def signed(self, challenge):
        client, auth = self.data("webauthn.get", challenge, 0x05)
        sig = openssl("dgst", "-sha256", "-sign", self.file, stdin=auth + hashlib.sha256(client).digest())
        return {"id": b64u(self.id), "client": b64u(client), "auth": b64u(auth), "sig": b64u(sig)}


def slack(secret, body):
    """The headers of Slack's callback."""
    stamp = str(int(time.time()))
    sign = "v0=" + hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    return {"X-Slack-Signature": sign, "X-Slack-Request-Timestamp": stamp}


def key_line(name, kind, public):
    """C2SP signed-note: the verifier's line, and the key's id."""
    key = bytes([kind]) + public
    short = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    return f"{name}+{short.hex()}+{base64.b64encode(key).decode()}", short


def witness_line(name):
    return key_line(name, 4, openssl("pkey", "-pubout", "-outform", "DER", stdin=openssl("genpkey", "-algorithm", "ed25519"))[-32:])[0]


def note_signed(text, name, folder):
    """A C2SP signed note by a new Ed25519 key."""
    file, said = os.path.join(folder, "note.pem"), os.path.join(folder, "note.txt")
    openssl("genpkey", "-algorithm", "ed25519", "-out", file)
    with open(said, "w", encoding="utf-8") as f:
        f.write(text)
    _, short = key_line(name, 1, openssl("pkey", "-in", file, "-pubout", "-outform", "DER")[-32:])
    sig = openssl("pkeyutl", "-sign", "-inkey", file, "-rawin", "-in", said)
    return f"{text}\n\u2014 {name} {base64.b64encode(short + sig).decode()}\n"
