"""The secret key of this central: where it is, who may read it, and what may be wrong with it.

Of its file the owner may do anything and the group may read, as where root writes and the daemon
reads; others nothing. What is in it never appears in a message, nor in what Python prints of it.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

CREDENTIAL = "central.key"  # its name among the credentials that systemd hands over
_FORBIDDEN = 0o037  # to others all, to the group all but reading
_READ_BYTES = 1024


def key_file(written: Path | None) -> Path | None:
    """Where the key is: where the configuration says, else among systemd's credentials."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if written is None and folder:
        credential = Path(folder) / CREDENTIAL
        return credential if credential.exists() else None
    return written


def next_key_file(file: Path) -> Path:
    """Where the key stands that is to follow the one in a file."""
    return file.with_name(f"{file.name}.next")


def take_over(place: Path, secret: bytes) -> None:
    """Have the next key take the place of the one in a file. Raises OSError.

    It is written over the old one: so owner and mode stay, and a service that may not see this file
    goes on not seeing it, which a new file under its name would end. It is one line of the same
    length, which nothing tears.
    """
    with place.open("r+b") as opened:
        opened.write(secret + b"\n")
        opened.truncate()
        opened.flush()
        os.fsync(opened.fileno())
    with suppress(OSError):  # a service may write to its key, and not to the folder
        next_key_file(place).unlink()


def read_secret_key(file: Path, *, private: bool = True) -> bytes:
    """The secret key in a file, as Z85; where it must be `private`, only if nobody else reads it.

    Raises ValueError where it can't be had or is none: what is wrong, and what to do.
    """
    import zmq  # noqa: PLC0415 - most who read a configuration need no key

    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as opened:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ValueError(f"{file} is no file; make one: zparkctl keygen FILE")
            if private and found.st_mode & _FORBIDDEN:
                mode = stat.S_IMODE(found.st_mode)
                raise ValueError(
                    f"{file} has mode {mode:04o}: others could read or change it; chmod 600 {file},"
                    " or 640 where only its group reads it, and make a new key if others did"
                )
            key = opened.read(_READ_BYTES).strip()
    except FileNotFoundError:
        raise ValueError(f"{file}: no such file; make it: zparkctl keygen {file}") from None
    except PermissionError:
        raise ValueError(
            f"{file}: this user may not read it; give it to who runs zparkd (chown zparkd {file}),"
            " or use sudo"
        ) from None
    except OSError as fault:
        raise ValueError(f"{file}: can't be read: {fault.strerror}; fix that") from None
    try:
        zmq.curve_public(key)
    except (ValueError, zmq.ZMQError):
        raise ValueError(
            f"{file}: no secret key: one is a line of 40 characters (Z85);"
            " make one elsewhere: zparkctl keygen FILE"
        ) from None
    return key
