"""The command `peers.write`: the peers that the configuration is to have, and nobody else.

All that is wrong with them is found before a file is touched; then the files that differ are
written, each whole or not at all, and the configuration is read as after any other change.
Where that finds a fault, every file is put back as it was, and that is read again.
"""

import tomllib
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from zparkd.config.atomic_file import put_file
from zparkd.config.load import Config
from zparkd.config.schema import PEER_KEYS, SECTIONS, Key
from zparkd.config.toml_edit import changed, flat
from zparkd.daemon.control.commands import Answer, Request, Reread, no

_LISTEN = ("address", "bus_port")

_Fault = dict[str, Any]
_Table = dict[str, object]


def write_peers(
    request: Request, running: Config, members: Collection[str] = ()
) -> Answer | Reread:
    """Make `peers`, a list of peer files as objects, all that there is in `peers.d`.

    What an object does not say of a peer that is there already stays as it is; null takes it
    away. `listen` may name a new `address` and `bus_port` of this central. `faults` of a
    refusal are objects: `peer` is the number of the one at fault (None for this central), `key`
    and `text`; or, of what is found when the files are read, `text` alone. Those of `members` are
    of the roster, for all centrals: nothing is changed of them here.
    """
    peers, listen = request.get("peers"), request.get("listen") or {}
    if not isinstance(peers, list) or not all(isinstance(peer, dict) for peer in peers):
        return no("bad_request", "peers: must be a list of objects")
    if not isinstance(listen, dict):
        return no("bad_request", "listen: must be an object")
    faults = [*_wrong_listen(listen), *_wrong_peers(peers, running.central_id)]
    if faults:
        return _refused(faults)
    if (member := _changed_member(peers, running, members)) is not None:
        return no(
            "member",
            f"{member} is a member of the site, for all centrals; nothing was changed. To remove"
            f" it: zparkctl member remove {member}; for another address: zparkctl member address",
        )
    folder = running.path.parent / "peers.d"
    try:
        files = _differing(folder, peers)
        moved = {key: it for key, it in listen.items() if getattr(running.listen, key) != it}
        if moved:
            files[running.path] = changed(running.path, "listen", moved)
        return _written(files)
    except ValueError as fault:
        return no("unwritable", str(fault))
    except OSError as fault:
        path, reason = fault.filename or folder, fault.strerror or fault
        return no(
            "unwritable",
            f"{path}: can't be written by the daemon: {reason}; nothing was changed. Let it write"
            f" there (zparkctl setup does so for peers.d), or change the file as root",
        )


def _changed_member(
    peers: Sequence[Mapping[str, object]], running: Config, members: Collection[str]
) -> str | None:
    """A member that would be another one by this, or none any more."""
    wanted = {peer["id"]: peer for peer in peers}
    for peer in running.peers:
        if peer.id not in members:
            continue
        if (asked := wanted.get(peer.id)) is None:
            return peer.id
        if any(getattr(peer, key) != it for key, it in asked.items() if it is not None):
            return peer.id
    return None


# --- what is wrong with what is asked


def _wrong_listen(listen: Mapping[str, object]) -> list[_Fault]:
    keys = SECTIONS["listen"]
    found: list[_Fault] = []
    for key, value in listen.items():
        if key not in _LISTEN:
            found.append({"peer": None, "key": key, "text": "can't be changed here"})
        else:
            found += _fault(None, key, keys[key], value)
    return found


def _wrong_peers(peers: Sequence[Mapping[str, object]], own: str) -> list[_Fault]:
    found: list[_Fault] = []
    first: dict[object, int] = {}
    for number, peer in enumerate(peers):
        for key in peer:
            if key not in PEER_KEYS:
                known = ", ".join(PEER_KEYS)
                found.append({"peer": number, "key": key, "text": f"is not known; use {known}"})
        for key, rule in PEER_KEYS.items():
            if peer.get(key) is None:
                if rule.example and (key == "id" or key in peer):
                    text = f"is missing; write one such as {rule.example}"
                    found.append({"peer": number, "key": key, "text": text})
                continue
            found += _fault(number, key, rule, peer[key])
        id = peer.get("id")
        if not isinstance(id, str):
            continue
        if id == own:
            text = f"{id} is this central's own id; name the peer's"
            found.append({"peer": number, "key": "id", "text": text})
        if first.setdefault(id, number) != number:
            found.append({"peer": number, "key": "id", "text": f"{id} is there twice"})
    return found


def _fault(peer: int | None, key: str, rule: Key, value: object) -> list[_Fault]:
    """What is wrong with a value, if anything is."""
    try:
        rule.parse(value)
    except ValueError as fault:
        return [{"peer": peer, "key": key, "text": str(fault)}]
    return []


def _refused(faults: Sequence[_Fault]) -> Answer:
    return {**no("bad_config", str(faults[0]["text"])), "faults": list(faults)}


# --- the files


def _differing(folder: Path, peers: Sequence[Mapping[str, object]]) -> dict[Path, bytes | None]:
    """The files to write, and with None those to remove. Raises OSError."""
    there = _there(folder)
    files: dict[Path, bytes | None] = {}
    kept: set[Path] = set()
    for peer in peers:
        path, table = there.get(str(peer["id"]), (folder / f"{peer['id']}.toml", {}))
        kept.add(path)
        wanted = {key: table.get(key) for key in ("id", "address")} | table | dict(peer)
        wanted = {key: value for key, value in wanted.items() if value is not None}
        if wanted != table:
            files[path] = flat(wanted)
    files |= {path: None for path in _paths(folder) if path not in kept}
    return files


def _paths(folder: Path) -> list[Path]:
    """The files that are read as peers."""
    return [path for path in sorted(folder.glob("*.toml")) if not path.name.startswith(".")]


def _there(folder: Path) -> dict[str, tuple[Path, _Table]]:
    """The peer files by their ids; one that is no TOML has that of its name, and says nothing."""
    found: dict[str, tuple[Path, _Table]] = {}
    for path in _paths(folder):
        try:
            table = tomllib.loads(path.read_text("utf-8"))
        except (ValueError, RecursionError):
            table = {}
        id = table.get("id", path.stem)
        if isinstance(id, str):
            found.setdefault(id, (path, {key: table[key] for key in table if key in PEER_KEYS}))
    return found


def _written(files: Mapping[Path, bytes | None]) -> Reread:
    """Write them, and have them read; or put all back. Raises OSError where one can't be."""
    before: dict[Path, bytes | None] = {}
    try:
        for path, content in files.items():
            before[path] = path.read_bytes() if path.exists() else None
            put_file(path, content)
    except OSError:
        _put_back(before)
        raise

    def told(faults: list[str]) -> Answer | Reread:
        if not faults:
            return {"success": True, "files": [str(path) for path in files]}
        _put_back(before)
        refused = _refused([{"text": fault} for fault in faults])
        return Reread(lambda _: refused)

    return Reread(told)


def _put_back(before: Mapping[Path, bytes | None]) -> None:
    for path, content in before.items():
        with suppress(OSError):  # it was written a moment ago, or never changed
            put_file(path, content)
