"""Who may send messages for a lane: by address, by a secret, or by Digest.

The address is that of the connection; what a header says of where it came from is not looked at.
"""

import hashlib
import hmac
import ipaddress
import secrets
import time
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass

from zparkd.camera import digest
from zparkd.camera.config import LaneConfig
from zparkd.camera.secret_files import Secret

REALM = "zparkd-camera"
NONCE_S = 300
SECRET_HEADER = "x-secret"


@dataclass(frozen=True, slots=True)
class Asked:
    """What of an HTTP request says who sends it; header names in lower case."""

    address: str
    method: str
    target: str  # path and query, as in the first line
    headers: Mapping[str, str]
    query: Mapping[str, str]


class Admission:
    """Judges requests; `challenge` is what to ask back of one that was not let in."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def admits(self, lane: LaneConfig, asked: Asked) -> bool:
        """Whether who asks may send messages for this lane: all that is configured must hold."""
        if lane.allow and not _within(asked.address, lane):
            return False
        return lane.secret is None or self._proves(lane.secret, asked)

    def challenge(self) -> str:
        """A fresh `WWW-Authenticate`."""
        stamp = f"{int(time.time()):x}"
        return (
            f'Digest realm="{REALM}", qop="auth", algorithm=MD5,'
            f' nonce="{stamp}.{self._seal(stamp)}"'
        )

    def _seal(self, stamp: str) -> str:
        return hmac.new(self._key, stamp.encode(), hashlib.sha256).hexdigest()[:32]

    def _proves(self, secret: Secret, asked: Asked) -> bool:
        scheme, _, rest = asked.headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "digest":
                return self._digest(secret, asked)
            case "basic":
                return _basic(secret, rest)
            case "bearer" | "token":
                return _same(rest.strip(), secret.password)
        said = asked.headers.get(SECRET_HEADER) or asked.query.get("secret") or ""
        return _same(said, secret.password)

    def _digest(self, secret: Secret, asked: Asked) -> bool:
        words = digest.words_of(asked.headers["authorization"])
        stamp, _, seal = words.get("nonce", "").partition(".")
        if not _same(seal, self._seal(stamp)) or not _recent(stamp):
            return False
        if secret.user is not None and words.get("username") != secret.user:
            return False
        # Some cameras write the whole URL, some leave the query out.
        if not asked.target.startswith(_path(words.get("uri", " "))):
            return False
        wanted = digest.response(
            words, words.get("username", ""), secret.password, asked.method, words.get("uri", "")
        )
        return wanted is not None and _same(words.get("response", ""), wanted)


def _within(address: str, lane: LaneConfig) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in network for network in lane.allow)


def _basic(secret: Secret, rest: str) -> bool:
    try:
        user, colon, password = b64decode(rest, validate=True).decode().partition(":")
    except ValueError:
        return False
    if not colon or (secret.user is not None and user != secret.user):
        return False
    return _same(password, secret.password)


def _same(said: str, wanted: str) -> bool:
    return hmac.compare_digest(said.encode("utf-8", "replace"), wanted.encode())


def _recent(stamp: str) -> bool:
    try:
        return abs(time.time() - int(stamp, 16)) <= NONCE_S
    except ValueError:
        return False


def _path(uri: str) -> str:
    if uri.startswith(("http://", "https://")):
        uri = "/" + uri.split("/", 3)[-1]
    return uri.partition("?")[0]
