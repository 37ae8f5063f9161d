"""The roster as files: those of `peers.d` and `edges.d` that the daemon writes.

They begin with a mark. All others are by hand, and are never touched.
"""

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from zparkd.config.load import Config
from zparkd.config.toml_edit import flat

MARK = "# zparkd roster"
PEERS, EDGES = "peers.d", "edges.d"
_PEER_KEYS = ("id", "address", "bus_port", "sync_port", "public_key", "next_public_key")
_EDGE_KEYS = ("id", "public_key", "next_public_key", "direction", "camera_type", "reports_close")
Row = Mapping[str, Any]


class File(NamedTuple):
    """A file of one of the folders: the id in it, what it says, whether it is of the roster."""

    path: Path
    id: str
    says: Row
    of_roster: bool


def files_in(folder: Path) -> Iterator[File]:
    """The files that are read there; one that is no TOML is by hand, with the id of its name."""
    for path in sorted(folder.glob("*.toml")):
        if path.name.startswith("."):
            continue
        try:
            text = path.read_text("utf-8")
            says = tomllib.loads(text)
        except (OSError, ValueError, RecursionError):
            text, says = "", {}
        id = says.get("id", path.stem)
        if isinstance(id, str):
            yield File(path, id, says, text.startswith(MARK))


class Written(NamedTuple):
    """Who wrote the files of a folder: the ids in those of the roster, and in those by hand."""

    roster: frozenset[str]
    hand: frozenset[str]


def written_in(folder: Path) -> Written:
    """Who wrote the files of a folder."""
    files = list(files_in(folder))
    return Written(
        frozenset(file.id for file in files if file.of_roster),
        frozenset(file.id for file in files if not file.of_roster),
    )


def values(row: Row, folder: str) -> dict[str, Any]:
    """What the file of a member says; `row` has the members of an answer to JOIN."""
    keys = _PEER_KEYS if folder == PEERS else _EDGE_KEYS
    return {key: row[key] for key in keys if row.get(key) not in (None, False)}


def content(row: Row, folder: str) -> bytes:
    """The file of a member."""
    note = f"{MARK}: kept up to date by the daemon; change it with zparkctl member\n"
    return note.encode() + flat({key: _text(it) for key, it in values(row, folder).items()})


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


def differing(
    base: Path, folder: str, rows: Iterable[Row], gone: Collection[str]
) -> dict[Path, bytes | None]:
    """The files to write in a folder, and with None those to remove."""
    there = {file.id: file for file in files_in(base / folder)}
    wanted: dict[Path, bytes | None] = {}
    for row in rows:
        file = there.get(row["id"])
        if file is not None and not file.of_roster:
            continue
        path = file.path if file is not None else base / folder / f"{row['id']}.toml"
        if file is None or dict(file.says) != values(row, folder):
            wanted[path] = content(row, folder)
    wanted |= {file.path: None for id, file in there.items() if id in gone and file.of_roster}
    return wanted


def by_hand(base: Path, folder: str, rows: Iterable[Row]) -> Iterator[tuple[File, list[str]]]:
    """The files by hand of members, and which of their keys are not as in the roster."""
    members = {row["id"]: values(row, folder) for row in rows}
    defaults = {"bus_port": 9000}
    for file in files_in(base / folder):
        if file.of_roster or file.id not in members:
            continue
        says = {**(defaults if folder == PEERS else {}), **file.says}
        if folder == PEERS and isinstance(says["bus_port"], int):
            says.setdefault("sync_port", says["bus_port"] + 1)
        wanted = members[file.id]
        yield file, sorted(key for key in wanted if says.get(key) != wanted[key])


def judged(
    config: Config,
    *,
    gone_peers: Collection[str],
    gone_edges: Collection[str],
    keys: Mapping[str, Collection[str]],
) -> Config:
    """A configuration without those whose membership has ended, and with all `keys` ever held."""
    known: dict[str, tuple[str, ...]] = dict(config.security.known_keys)
    for id, more in keys.items():
        known[id] = tuple(sorted({*known.get(id, ()), *more}))
    return replace(
        config,
        peers=tuple(peer for peer in config.peers if peer.id not in gone_peers),
        lanes=tuple(lane for lane in config.lanes if lane.id not in gone_edges),
        security=replace(config.security, known_keys=known),
    )
