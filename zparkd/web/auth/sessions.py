"""Sessions of people who logged in, and how often a login may be tried. Kept in memory, bounded.

A restart of the gateway ends all sessions; nothing else is lost with them.
"""

import hashlib
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass

from zparkd.core.token_bucket import TokenBucket
from zparkd.web import limits


@dataclass(slots=True)
class Session:
    """One browser of one person. Times in seconds of the monotonic clock."""

    user: str
    password: str  # what was kept of it at the login: a new one ends the session
    csrf: str
    begun_s: float
    seen_s: float


class Sessions:
    """All sessions, by a digest of their secret; the one silent for longest goes first."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def begin(self, user: str, password: str) -> tuple[str, Session]:
        """A new session, and the secret that its browser keeps."""
        secret = secrets.token_urlsafe(32)
        now_s = time.monotonic()
        session = Session(user, password, secrets.token_urlsafe(24), now_s, now_s)
        self._sessions[_key(secret)] = session
        if len(self._sessions) > limits.SESSIONS:
            self._sessions.popitem(last=False)
        return secret, session

    def find(self, secret: str) -> Session | None:
        """The session with this secret, unless it is too old."""
        key = _key(secret)
        session = self._sessions.get(key)
        if session is None:
            return None
        now_s = time.monotonic()
        idle, old = now_s - session.seen_s, now_s - session.begun_s
        if idle > limits.SESSION_IDLE_S or old > limits.SESSION_S:
            del self._sessions[key]
            return None
        session.seen_s = now_s
        self._sessions.move_to_end(key)
        return session

    def renew(self, user: str, before: str, now: str) -> None:
        """The same password of a person is kept otherwise now."""
        for session in self._sessions.values():
            if session.user == user and session.password == before:
                session.password = now

    def end(self, secret: str) -> None:
        """Forget a session."""
        self._sessions.pop(_key(secret), None)


def _key(secret: str) -> bytes:
    """So that a copy of this process's memory table alone opens nothing."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()


class Attempts:
    """Buckets of failed logins: one for each address and each name, refilled with time."""

    def __init__(self, most: int) -> None:
        """`most` failures at once, and as many a minute."""
        self._most = most
        self._left: OrderedDict[str, TokenBucket] = OrderedDict()

    def wait_s(self, who: str) -> int:
        """How long `who` has to wait for the next try; 0 for not at all."""
        bucket = self._left.get(who)
        left = self._most if bucket is None else self._filled(bucket)
        return 0 if left >= 1 else max(1, round((1 - left) * 60 / self._most))

    def failed(self, who: str) -> None:
        """Count a failure."""
        bucket = self._left.setdefault(who, TokenBucket(self._most, _now_ms()))
        self._filled(bucket)
        bucket.take()
        self._left.move_to_end(who)
        if len(self._left) > limits.ATTEMPTS_REMEMBERED:
            self._left.popitem(last=False)

    def passed(self, who: str) -> None:
        """It was none after all."""
        if who in self._left:
            self._left[who].take(-1)

    def _filled(self, bucket: TokenBucket) -> float:
        return bucket.fill(_now_ms(), self._most / 60, self._most)


def _now_ms() -> int:
    return int(time.monotonic() * 1000)
