"""Secrets in files: of cameras that send to us, of relays and brokers that we ask."""

import stat
from dataclasses import dataclass, field
from pathlib import Path

_BYTES = 1024
_FORBIDDEN = 0o037  # to others all, to the group all but reading


@dataclass(frozen=True, slots=True)
class Secret:
    """What one line of a file says: `password`, or `user:password`."""

    user: str | None
    password: str = field(repr=False)


def read_secret(file: Path) -> Secret:
    """The secret in a file. Raises ValueError: what is wrong, and what to do."""
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ValueError(f"{file}: no file; write the secret into one, in one line")
        if mode & _FORBIDDEN:
            raise ValueError(
                f"{file}: mode {stat.S_IMODE(mode):04o} lets others read it; chmod 600 {file}"
            )
        with file.open("rb") as opened:
            text = opened.read(_BYTES).decode().strip()
    except FileNotFoundError:
        raise ValueError(f"{file}: no such file; write the secret into it, in one line") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file}: no text; write the secret into it, in one line") from None
    except OSError as fault:
        raise ValueError(f"{file}: can't be read: {fault.strerror}; fix that") from None
    user, colon, password = text.partition(":")
    if not text.isprintable() or not (password if colon else text):
        raise ValueError(f"{file}: has no line with a secret; write password, or user:password")
    return Secret(user, password) if colon else Secret(None, text)
