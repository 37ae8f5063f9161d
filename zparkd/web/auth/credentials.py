"""Who may use the gateway: people with passwords and machines with tokens, in one file.

`web-users.json` beside the configuration holds no secret in clear: of a password an Argon2id
hash, of a token, which is long and random, a plain one. It is written by `zparkd-web user` and
`token`. Others than its owner and group may not read it.
"""

import hashlib
import hmac
import os
import re
import secrets
import stat
from enum import StrEnum
from pathlib import Path

import msgspec
import nacl.exceptions
import nacl.pwhash
from nacl.pwhash import argon2id

from zparkd.config.atomic_file import replace_file
from zparkd.core import limits

FILE = "web-users.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TOKEN_PREFIX = "zpw_"
PASSWORD_CHARACTERS = (10, 256)
_FORBIDDEN = 0o037  # to others all, to the group all but reading
_OPERATIONS, _MEMORY = 2, 64 * 1024 * 1024  # some tens of ms a try
_NOBODYS = (  # of a password that nobody knows
    "$argon2id$v=19$m=65536,t=2,p=1$"
    "fF0ZzDx6ChR1HNK04J3CNg$T8MfkRS2HmJ5w3Vq/J7rty/k1Boe/rcwerrKSwoch3E"
)
_OLD_COST, _OLD_BLOCKS, _OLD_MEMORY = 2**15, 8, 64 * 1024 * 1024
_OLD_FORM = f"scrypt${_OLD_COST}${_OLD_BLOCKS}$"


class Role(StrEnum):
    """What somebody may do; each may also what stands before it."""

    VIEWER = "viewer"  # see
    OPERATOR = "operator"  # open barriers, test connections
    ADMIN = "admin"  # change the configuration and the tariff

    def covers(self, needed: "Role") -> bool:
        """Whether this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person. `password` is what `hashed` makes of it, or what earlier versions did:
    `scrypt$cost$blocks$salt$hash`, the last two in hex.

    `staff_id` is who this is on the site's list of staff; the name where there is none.
    """

    name: str
    role: Role
    password: str
    staff_id: str | None = None


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine. `digest` is the SHA-256 of its token, in hex."""

    name: str
    role: Role
    digest: str


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is in the file."""

    users: tuple[User, ...] = ()
    tokens: tuple[Token, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.users or self.tokens)

    def user(self, name: str) -> User | None:
        """The person of this name."""
        return next((user for user in self.users if user.name == name), None)

    @property
    def some_old(self) -> bool:
        """Whether the password of anybody is kept in the old form."""
        return any(is_old(user.password) for user in self.users)

    def with_user(self, fresh: User) -> "Credentials":
        """The same with this person, who takes the place of any other of the name."""
        others = (user for user in self.users if user.name != fresh.name)
        return Credentials((*others, fresh), self.tokens)

    def token(self, secret: str) -> Token | None:
        """The machine that has this token."""
        digest = _digest(secret)
        return next((token for token in self.tokens if token.digest == digest), None)


class CredentialsError(Exception):
    """The file can't be used. The text names it, says why, and what to do."""


def read(file: Path) -> Credentials:
    """What is in the file, nothing where there is none. Raises CredentialsError."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as opened:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise CredentialsError(f"{file}: is no file; move it away")
            if found.st_mode & _FORBIDDEN:
                mode = stat.S_IMODE(found.st_mode)
                raise CredentialsError(
                    f"{file}: has mode {mode:04o}, so others could read or change it;"
                    f" chmod 640 {file}"
                )
            return msgspec.json.decode(opened.read(), type=Credentials)
    except FileNotFoundError:
        return Credentials()
    except OSError as fault:
        raise CredentialsError(f"{file}: can't be read: {fault.strerror}") from None
    except msgspec.MsgspecError as fault:
        raise CredentialsError(
            f"{file}: is not what zparkd-web writes: {fault}; make it anew: zparkd-web user add"
        ) from None


def write(file: Path, credentials: Credentials) -> None:
    """Make this the content of the file, in one step. Raises OSError."""
    content = msgspec.json.format(msgspec.json.encode(credentials), indent=2) + b"\n"
    # The gateway is of the group of its folder.
    replace_file(file, content, mode=0o640, group_of=file.parent)


def hashed(password: str) -> str:
    """What is kept of a password. Each time another."""
    kept = argon2id.str(_bytes(password), _OPERATIONS, _MEMORY)
    return kept.decode()


def is_old(kept: str) -> bool:
    """Whether a password is kept in the form that earlier versions wrote."""
    return kept.startswith(_OLD_FORM)


def fits(password: str, kept: str, *, also_old: bool = False) -> bool:
    """Whether this is the password; `kept` is empty where nobody is known.

    Takes some tens of ms, the same whatever was kept: of both forms where `also_old` says that
    somebody's is of the old one still.
    """
    old = is_old(kept)
    right_old = (old or also_old) and _fits_old(password, kept)
    right = (not old or also_old) and _fits(password, _NOBODYS if old or not kept else kept)
    return bool(kept) and (right_old if old else right)


def _fits(password: str, kept: str) -> bool:
    try:
        return nacl.pwhash.verify(kept.encode(), _bytes(password))
    except (nacl.exceptions.CryptoError, ValueError):  # another one, or no hash at all
        return False


def _fits_old(password: str, kept: str) -> bool:
    salt, _, wanted = kept.removeprefix(_OLD_FORM).partition("$")
    try:
        parts = bytes.fromhex(salt), bytes.fromhex(wanted)
    except ValueError:
        parts = b"", b""
    tried = hashlib.scrypt(
        _bytes(password),
        salt=parts[0] or bytes(16),
        n=_OLD_COST,
        r=_OLD_BLOCKS,
        p=1,
        maxmem=_OLD_MEMORY,
        dklen=32,
    )
    return hmac.compare_digest(tried, parts[1])


def _bytes(password: str) -> bytes:
    return password.encode(errors="replace")[: 4 * limits.TEXT_CHARACTERS]


def new_token() -> tuple[str, str]:
    """A token, and what is kept of it."""
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    return secret, _digest(secret)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
