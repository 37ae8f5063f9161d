"""`zparkctl peer`: the other centrals of the site, one file each in `peers.d`.

What a peer file may say is decided where it is read. The daemon is told of a change at once;
where it does not run it reads the files when it starts.
"""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click

from zparkd.cli.commands.site.peer_probe import test
from zparkd.cli.commands.upkeep.reload import PATIENCE_S
from zparkd.cli.context import Exit, call, fail, fail_config, find_control, load_config
from zparkd.cli.files import faults_with, make_folder, write_new
from zparkd.cli.output import NONE, print_json, table
from zparkd.client.control import DaemonUnreachable
from zparkd.config.roster_files import PEERS, files_in
from zparkd.config.toml_edit import flat
from zparkd.core.keys import fingerprint
from zparkd.core.site import CENTRAL_ID, Peer

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_KEYS = ("address", "bus_port", "sync_port", "public_key")


def central_id(_ctx: click.Context, _option: click.Parameter, text: str) -> str:
    """A command line argument that is the id of a central."""
    if not CENTRAL_ID.fullmatch(text):
        raise click.BadParameter(f"{text!r} is no id of a central; write one such as central-2")
    return text


_ID = click.argument("peer_id", metavar="ID", callback=central_id)
_PORT = click.IntRange(1, 65535)


@click.group(epilog="Example: zparkctl peer add central-2 192.168.1.102")
def peer() -> None:
    """List, add, remove and test the other centrals of the site."""


@peer.command("list", epilog="Example: zparkctl peer list --json")
@_AS_JSON
@click.pass_obj
def list_(file: Path, as_json: bool) -> None:
    """Show the peers that are configured; how they are says `zparkctl status`."""
    of_roster = {it.id for it in files_in(file.parent / PEERS) if it.of_roster}
    peers = [
        {
            "id": peer.id,
            "address": peer.address,
            "bus_port": peer.bus_port,
            "sync_port": peer.sync_port,
            "public_key": peer.public_key,
            "next_public_key": peer.next_public_key,
            "fingerprint": _fingerprints(peer),
            "written_by": "roster" if peer.id in of_roster else "hand",
        }
        for peer in load_config(file, as_json=as_json).peers
    ]
    if as_json:
        print_json(peers)
    elif peers:
        for shown in peers:
            del shown["public_key"], shown["next_public_key"]
        rows = [[str(value) if value else NONE for value in peer.values()] for peer in peers]
        headers = [key.upper().replace("_", " ") for key in peers[0]]
        click.echo(table(headers, rows, right=("BUS PORT", "SYNC PORT")))
    else:
        click.echo(f"peers: {NONE}, this central is standalone")


@peer.command(epilog="Example: zparkctl peer add central-2 192.168.1.102 --bus-port 9000")
@_ID
@click.argument("address", metavar="ADDRESS")
@click.option("--bus-port", metavar="N", type=_PORT, help="Its bus_port.  [default: 9000]")
@click.option("--sync-port", metavar="N", type=_PORT, help="[default: its bus_port + 1]")
@click.option("--public-key", metavar="K", help="What `zparkctl keygen` printed there.")
@_AS_JSON
@click.pass_obj
def add(file: Path, /, peer_id: str, as_json: bool, **written: str | int | None) -> None:
    """Write peers.d/ID.toml, and have the daemon connect to it.

    The whole configuration is judged with the new file first. Where it is at fault the faults
    are printed, the exit status is 78, and nothing is written. An id that is there already is
    refused with exit status 1.
    """
    config = load_config(file, as_json=as_json)
    path = file.parent / "peers.d" / f"{peer_id}.toml"
    if any(peer.id == peer_id for peer in config.peers) or os.path.lexists(path):
        _refuse_existing(peer_id, path, as_json=as_json)
    content = peer_toml(peer_id, **written)
    try:
        if faults := faults_with(file, {path: content}):
            fail_config([str(fault) for fault in faults], as_json=as_json)
        make_folder(path.parent, file)
        write_new(path, content, file)
    except FileExistsError:
        _refuse_existing(peer_id, path, as_json=as_json)
    except OSError as fault:
        fail(Exit.NO, "unwritable", f"{path}: can't be written: {fault.strerror}", as_json=as_json)
    done = f"{path}: written"
    if key := written["public_key"]:
        done += f", with the key {fingerprint(str(key))} (there: zparkctl keygen --public FILE)"
    _tell_daemon(file, done, [path], as_json=as_json)


@peer.command(epilog="Example: zparkctl peer remove central-2")
@_ID
@_AS_JSON
@click.pass_obj
def remove(file: Path, peer_id: str, as_json: bool) -> None:
    """Remove the file of a peer, and have the daemon let go of it.

    Its events stay. Where the peer goes on living, remove this central from its peers.d too.
    """
    paths = list(_files_of(file.parent / "peers.d", peer_id))
    if not paths:
        message = f"{peer_id} is not in {file.parent / 'peers.d'}; see: zparkctl peer list"
        fail(Exit.NO, "unknown_peer", message, as_json=as_json)
    if _is_member(file, peer_id, paths):
        message = (
            f"{peer_id} is a member of the site, for all centrals; nothing was changed. To remove"
            f" it: zparkctl member remove {peer_id}"
        )
        fail(Exit.NO, "member", message, as_json=as_json)
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as fault:
            message = f"{path}: can't be removed: {fault.strerror}"
            fail(Exit.NO, "unwritable", message, as_json=as_json)
    listed = "\n".join(f"{path}: removed" for path in paths)
    _tell_daemon(file, listed, paths, as_json=as_json)


peer.add_command(test)


def _is_member(file: Path, peer_id: str, paths: list[Path]) -> bool:
    """Whether a peer belongs to the roster: its file says so, or the daemon where it runs."""
    if any(it.of_roster for it in files_in(file.parent / PEERS) if it.path in paths):
        return True
    control, _ = find_control(file)
    try:
        listed = call(control, "member.list").get("members", [])
    except DaemonUnreachable:
        return False
    rows = [row for row in listed if row["member"] == peer_id]
    return any((row.get("membership") or {"removed": True})["removed"] is False for row in rows)


def peer_toml(peer_id: str, **written: str | int | None) -> bytes:
    """A peer file; what is None is left out and takes its default."""
    return flat({"id": peer_id, **{key: written.get(key) for key in _KEYS}})


def _fingerprints(peer: Peer) -> str | None:
    """What to compare by eye with what `zparkctl keygen --public` shows there."""
    return ", ".join(map(fingerprint, peer.public_keys)) or None


def _files_of(folder: Path, peer_id: str) -> Iterator[Path]:
    """The peer files with this id, or named by it where they say none; good or at fault."""
    for path in sorted(folder.glob("*.toml")):
        try:
            said = tomllib.loads(path.read_text("utf-8")).get("id")
        except (OSError, ValueError, RecursionError):
            said = None
        if said == peer_id or (said is None and path.stem == peer_id):
            yield path


def _refuse_existing(peer_id: str, path: Path, *, as_json: bool) -> NoReturn:
    message = (
        f"{peer_id} is there already, see {path}; to change it: zparkctl peer remove {peer_id}"
    )
    fail(Exit.NO, "exists", message, as_json=as_json)


def _tell_daemon(file: Path, done: str, paths: list[Path], *, as_json: bool) -> None:
    """Have the daemon read its files where it runs; then say what was `done`."""
    control, _ = find_control(file)
    try:
        answer = call(control, "reload", timeout_s=PATIENCE_S)
    except DaemonUnreachable:
        applied, what = False, "zparkd is not reached; it reads this when it starts"
    else:
        if faults := answer.get("faults"):
            if not as_json:
                click.echo(done)
            fail_config([str(fault) for fault in faults], as_json=as_json)
        applied, what = True, "in effect"
    if as_json:
        print_json({"success": True, "files": [str(path) for path in paths], "applied": applied})
    else:
        click.echo(f"{done}; {what}")
