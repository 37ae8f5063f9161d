"""What a NATS server with TLS and accounts is set up with, as its admin does. No test here.

An operator signs accounts, an account signs its users, and a user is a file of credentials: its
claims and its key. See https://docs.nats.io/running-a-nats-service/configuration/securing_nats
"""

import base64
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import nkeys
from nacl.signing import SigningKey

_TRAFFIC = dict.fromkeys(("subs", "data", "payload"), -1)
_ACCOUNT = {
    **_TRAFFIC,
    **dict.fromkeys(("imports", "exports", "conn", "leaf"), -1),
    "wildcards": True,
}
_STREAMS = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)


class _Holder:
    """Somebody with a key who can sign claims about others."""

    def __init__(self, prefix: int) -> None:
        self.seed = nkeys.encode_seed(bytes(SigningKey.generate()), prefix)
        self.pair = nkeys.from_seed(bytearray(self.seed))
        self.id = self.pair.public_key.decode()

    def signs(self, subject: str, name: str, nats: dict[str, Any]) -> str:
        """Claims about a subject, as a token."""
        now = int(time.time())
        claims = {"jti": name, "iat": now, "iss": self.id, "name": name, "sub": subject}
        parts = [{"typ": "JWT", "alg": "ed25519-nkey"}, {**claims, "nats": {**nats, "version": 2}}]
        text = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        return f"{text}.{_base64(self.pair.sign(text.encode()))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Accounts:
    """One operator, and one account with streams."""

    def __init__(self) -> None:
        self._operator = _Holder(nkeys.PREFIX_BYTE_OPERATOR)
        self._account = _Holder(nkeys.PREFIX_BYTE_ACCOUNT)
        self._system = _Holder(nkeys.PREFIX_BYTE_ACCOUNT)

    def config(self, certificate: Path, key: Path) -> str:
        """What the server's configuration says of them, and of TLS."""
        signs = self._operator.signs
        known = {
            holder.id: signs(holder.id, name, {"type": "account", "limits": limits})
            for holder, name, limits in (
                (self._account, "fleet", _ACCOUNT | _STREAMS),
                (self._system, "system", _ACCOUNT),  # the server refuses one with streams
            )
        }
        operator = signs(self._operator.id, "operator", {"type": "operator"})
        preloaded = "\n".join(f"  {id}: {token}" for id, token in known.items())
        return (
            f"operator: {operator}\nsystem_account: {self._system.id}\nresolver: MEMORY\n"
            f"resolver_preload: {{\n{preloaded}\n}}\n"
            f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}\n'
        )

    def user(self, file: Path, publishes: list[str], subscribes: list[str]) -> Path:
        """A file of credentials for somebody who may do so much."""
        holder = _Holder(nkeys.PREFIX_BYTE_USER)
        may = {"pub": {"allow": publishes}, "sub": {"allow": subscribes}}
        token = self._account.signs(holder.id, file.stem, {"type": "user", **may, **_TRAFFIC})
        file.touch(mode=0o600)
        file.write_text(
            f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{holder.seed.decode()}\n"
            "------END USER NKEY SEED------\n"
        )
        return file


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    made, key = folder / "server.pem", folder / "server.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=nats",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    subprocess.run([*command, "-out", made, "-keyout", key], check=True, capture_output=True)
    return made, key
