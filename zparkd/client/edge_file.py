"""The file of a camera that joined: its key, and the centrals with theirs. JSON, mode 0600.

Centrals that came, went, or have another key or address are learned from any that answers. The key
is written before anything is asked, so that a join which was cut off is finished with the same key.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import zmq
from msgspec import Meta

from zparkd.client.join import join
from zparkd.core.keys import key_bytes
from zparkd.core.members.centrals_told import edge_port, endpoint
from zparkd.core.members.roster_words import Role
from zparkd.core.members.token import BadToken, decode

_FORMAT = 1
_CENTRALS = 128
_ENDPOINT = r"^tcp://(\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]+):[0-9]{1,5}\Z"


class _Central(msgspec.Struct):
    id: str
    endpoint: Annotated[str, Meta(pattern=_ENDPOINT)]
    public_key: str


class _Kept(msgspec.Struct):
    v: int
    edge_id: str
    site: str
    secret_key: str
    centrals: list[_Central] = []
    number: int = 0  # of its membership; 0 where an older version wrote the file
    digest: str = ""  # of the centrals, as they told it
    next_secret_key: str | None = None  # of a membership that is not begun yet


class _Told(msgspec.Struct):
    """What an answer says of the centrals, at least of one."""

    digest: Annotated[str, Meta(min_length=1, max_length=64)]
    list: Annotated[list[_Central], Meta(min_length=1, max_length=_CENTRALS)]


class Camera(NamedTuple):
    """What a camera that joined speaks with; `secret` is its key, as Z85."""

    edge_id: str
    secret: bytes
    centrals: tuple[str, ...]
    public_keys: tuple[str, ...]
    digest: str = ""


def joined(token: str, file: Path) -> Camera:
    """The camera of a file, after joining by a token where that is not done yet.

    A token for a later membership than that of the file is joined by with a new key; until that is
    done the file is what it was. Raises BadToken, NotReached, JoinRefused, OSError; ValueError for
    the file of another camera.
    """
    kept = read(file) if file.exists() else None
    if kept is not None and kept.centrals and not token:
        return _camera(kept)
    invitation = decode(token)
    if kept is not None and (kept.edge_id, kept.site) != (invitation.member, invitation.site):
        raise ValueError(
            f"{file} is of {kept.edge_id} at {kept.site}, and the token is for another; nothing"
            " was changed: name another file"
        )
    if kept is not None and kept.centrals and not 0 < kept.number < invitation.number:
        return _camera(kept)
    if invitation.role is not Role.EDGE:
        raise BadToken(f"{invitation.member} is invited as a central, not as a camera")
    secret = zmq.curve_keypair()[1].decode()
    if kept is None:
        kept = _Kept(_FORMAT, invitation.member, invitation.site, secret)
    elif kept.centrals and kept.next_secret_key is None:
        kept.next_secret_key = secret
    _write(file, kept)
    answer = join(invitation, (kept.next_secret_key or kept.secret_key).encode())
    kept.secret_key, kept.next_secret_key = kept.next_secret_key or kept.secret_key, None
    kept.number, kept.digest = invitation.number, ""
    rows = [row for row in answer["roster"] if row["role"] == Role.CENTRAL]
    rows.sort(key=lambda row: (row["id"] != invitation.inviter, row["id"]))
    kept.centrals = [
        _Central(
            row["id"],
            endpoint(row["address"], edge_port(row["bus_port"], row["edge_port"])),
            row["public_key"],
        )
        for row in rows
    ]
    _write(file, kept)
    return _camera(kept)


def learned(file: Path, told: object) -> Camera | None:
    """The camera of a file, now that a central told it of all of them; None where that is nothing.

    Who was known stays in its place. Where the file can't be written it is known all the same,
    until this process ends.
    """
    try:
        said = msgspec.convert(told, _Told)
        kept = read(file)
        for central in said.list:
            key_bytes(central.public_key)
    except (msgspec.ValidationError, ValueError, OSError):
        return None
    place = {central.id: at for at, central in reversed(list(enumerate(kept.centrals)))}
    kept.centrals = sorted(said.list, key=lambda it: (place.get(it.id, len(place)), it.id))
    kept.digest = said.digest
    with suppress(OSError):
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


def _camera(kept: _Kept) -> Camera:
    return Camera(
        kept.edge_id,
        kept.secret_key.encode(),
        tuple(central.endpoint for central in kept.centrals),
        tuple(central.public_key for central in kept.centrals),
        kept.digest,
    )


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
