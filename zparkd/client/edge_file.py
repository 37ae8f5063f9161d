"""The file of a camera that joined: its key, and the centrals with theirs. JSON, mode 0600.

The key is written before anything is asked, so that a join which was cut off is finished with the
same key.
"""

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec
import zmq

from zparkd.client.join import join
from zparkd.core.members.roster_words import Role
from zparkd.core.members.token import BadToken, decode

_FORMAT = 1


class _Central(msgspec.Struct):
    id: str
    endpoint: str
    public_key: str


class _Kept(msgspec.Struct):
    v: int
    edge_id: str
    site: str
    secret_key: str
    centrals: list[_Central] = []


class Camera(NamedTuple):
    """What a camera that joined speaks with; `secret` is its key, as Z85."""

    edge_id: str
    secret: bytes
    centrals: tuple[str, ...]
    public_keys: tuple[str, ...]


def joined(token: str, file: Path) -> Camera:
    """The camera of a file, after joining by a token where that is not done yet.

    Raises BadToken, NotReached, JoinRefused, OSError; ValueError for the file of another camera.
    """
    kept = read(file) if file.exists() else None
    if kept is not None and kept.centrals:
        if token and (kept.edge_id, kept.site) != _named_by(token):
            raise ValueError(
                f"{file} is of {kept.edge_id} at {kept.site}, and the token is for another; nothing"
                " was changed: name another file"
            )
        return _camera(kept)
    invitation = decode(token)
    if invitation.role is not Role.EDGE:
        raise BadToken(f"{invitation.member} is invited as a central, not as a camera")
    if kept is None:
        secret = zmq.curve_keypair()[1].decode()
        kept = _Kept(_FORMAT, invitation.member, invitation.site, secret)
        _write(file, kept)
    if (kept.edge_id, kept.site) != (invitation.member, invitation.site):
        raise ValueError(f"{file} is of {kept.edge_id} at {kept.site}; name another file")
    answer = join(invitation, kept.secret_key.encode())
    rows = [row for row in answer["roster"] if row["role"] == Role.CENTRAL]
    rows.sort(key=lambda row: (row["id"] != invitation.inviter, row["id"]))
    kept.centrals = [
        _Central(
            row["id"],
            _endpoint(row["address"], row["edge_port"] or row["bus_port"] + 2),
            row["public_key"],
        )
        for row in rows
    ]
    _write(file, kept)
    return _camera(kept)


def kept(file: Path) -> Camera:
    """The camera of a file whose join is done. Raises ValueError and OSError."""
    found = read(file)
    if not found.centrals:
        raise ValueError(f"{file}: its join was cut off; give the same zparkctl join again")
    return _camera(found)


def read(file: Path) -> _Kept:
    """What a file keeps. Raises ValueError and OSError."""
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=_Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ValueError(f"{file} is no file of a camera that joined; name another") from None
    if kept.v != _FORMAT:
        raise ValueError(f"{file} is of a newer version; update zparkd here")
    return kept


def _named_by(token: str) -> tuple[str, str]:
    invitation = decode(token)
    return invitation.member, invitation.site


def _camera(kept: _Kept) -> Camera:
    return Camera(
        kept.edge_id,
        kept.secret_key.encode(),
        tuple(central.endpoint for central in kept.centrals),
        tuple(central.public_key for central in kept.centrals),
    )


def _endpoint(address: str, port: int) -> str:
    return f"tcp://[{address}]:{port}" if ":" in address else f"tcp://{address}:{port}"


def _write(file: Path, kept: _Kept) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with open(descriptor, "wb") as opened:
            os.fchmod(descriptor, 0o600)
            opened.write(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
            opened.flush()
            os.fsync(descriptor)
        os.replace(name, file)
    finally:
        Path(name).unlink(missing_ok=True)
