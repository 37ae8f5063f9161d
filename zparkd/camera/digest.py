"""HTTP Digest (RFC 7616) with `qop=auth`: what relays ask of us, and what we ask of cameras."""

import hashlib
import re
import secrets
from collections.abc import Mapping

ALGORITHMS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_PAIR = re.compile(r'([a-zA-Z]+)\s*=\s*(?:"([^"]{0,512})"|([^",\s]{1,512}))')


def words_of(header: str) -> dict[str, str]:
    """The words of a `WWW-Authenticate` or `Authorization` header after its scheme."""
    scheme, _, rest = header[:4096].partition(" ")
    if scheme.lower() != "digest":
        return {}
    return {name.lower(): quoted or plain for name, quoted, plain in _PAIR.findall(rest)}


def response(
    words: Mapping[str, str], user: str, password: str, method: str, uri: str
) -> str | None:
    """What proves the password for these words; None where they ask what we do not speak."""
    hashed = ALGORITHMS.get(words.get("algorithm", "MD5").upper())
    if hashed is None:
        return None

    def of(*parts: str) -> str:
        return hashed(":".join(parts).encode()).hexdigest()

    who = of(user, words.get("realm", ""), password)
    what = of(method, uri)
    if "qop" not in words:
        return of(who, words.get("nonce", ""), what)
    return of(
        who, words.get("nonce", ""), words.get("nc", ""), words.get("cnonce", ""), "auth", what
    )


def authorization(challenge: str, user: str, password: str, method: str, uri: str) -> str | None:
    """The header that answers a challenge; None where it can't be answered."""
    words = words_of(challenge)
    if "nonce" not in words:
        return None
    if "qop" in words:
        if "auth" not in [word.strip() for word in words["qop"].split(",")]:
            return None
        words |= {"qop": "auth", "nc": "00000001", "cnonce": secrets.token_hex(8)}
    proof = response(words, user, password, method, uri)
    if proof is None:
        return None
    said = {"username": user, "realm": words.get("realm", ""), "nonce": words["nonce"], "uri": uri}
    said["response"] = proof
    if "opaque" in words:
        said["opaque"] = words["opaque"]
    text = ", ".join(f'{name}="{value}"' for name, value in said.items())
    if "algorithm" in words:
        text += f", algorithm={words['algorithm']}"
    if "qop" in words:
        text += f', qop=auth, nc={words["nc"]}, cnonce="{words["cnonce"]}"'
    return f"Digest {text}"
