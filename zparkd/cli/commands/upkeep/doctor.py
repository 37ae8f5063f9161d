"""`zparkctl doctor`: looks at this machine, its central and its peers; what mends each fault.

It changes nothing, and works whether the daemon runs or not.
"""

import os
import shutil
import socket
import stat
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import click

from zparkd import __version__
from zparkd.cli.context import Exit, call, find_control
from zparkd.cli.output import bad, good, paragraph, print_json
from zparkd.client.control import DaemonUnreachable
from zparkd.config.load import Config, ConfigError, SecurityMode, load
from zparkd.config.roster_files import EDGES, PEERS, written_in
from zparkd.core import limits
from zparkd.core.clock import RELEASE_MS
from zparkd.core.keys import fingerprint
from zparkd.core.site import Peer
from zparkd.storage.damage import damaged
from zparkd.storage.readers.connection import UNREADABLE, form, read_only
from zparkd.storage.readers.copies import whose
from zparkd.transport.dial import own_host, own_public_key, unreachable
from zparkd.verify.peer_query import NoUse, heartbeat, line_to

_FREE_BYTES = (2_000_000_000, 200_000_000)  # below the first a warning, below the second a fault
_FSYNC_MS = (20.0, 200.0)
_FSYNCS = 15
_LOOK_S = 10.0  # at the form of the database
_DIAL_S = 2.0
_BACKUP_DAYS = 3
_NETWORK_DISKS = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph", "glusterfs")
_UNIT = ("LoadState", "ActiveState", "UnitFileState", "NRestarts", "LimitNOFILE", "MemoryMax")


class Verdict(StrEnum):
    """What a look came to."""

    GOOD = "good"
    WARNING = "warning"
    FAULT = "fault"


class Finding(NamedTuple):
    """What one look found: of which part, how it is, what, and the command that mends it."""

    part: str
    verdict: Verdict
    text: str
    mend: str | None = None


def _good(part: str, text: str) -> Finding:
    return Finding(part, Verdict.GOOD, text)


def _warning(part: str, text: str, mend: str) -> Finding:
    return Finding(part, Verdict.WARNING, text, mend)


def _fault(part: str, text: str, mend: str) -> Finding:
    return Finding(part, Verdict.FAULT, text, mend)


@click.command(epilog="Example: zparkctl doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def doctor(file: Path, as_json: bool) -> None:
    """Look at everything that this central needs, and say what mends each fault.

    Configuration, keys and modes, ports, disk, database, clock, every peer, and the unit. The
    daemon need not run. Exit status 1 where there is a fault; warnings alone are 0. Run it as
    root or as the daemon's user: others may not see all.
    """
    findings: list[Finding] = []
    for finding in _examined(file):
        findings.append(finding)
        if not as_json:
            click.echo(_line(finding))
    faults = sum(finding.verdict is Verdict.FAULT for finding in findings)
    warnings = sum(finding.verdict is Verdict.WARNING for finding in findings)
    if as_json:
        shown = [finding._asdict() for finding in findings]
        done = {"success": not faults, "faults": faults, "warnings": warnings}
        print_json({**done, "findings": shown})
    else:
        click.echo(f"\n{len(findings)} looks: {faults} faults, {warnings} warnings")
    if faults:
        raise click.exceptions.Exit(Exit.NO)


def _line(finding: Finding) -> str:
    marks = {
        Verdict.GOOD: good("  ok "),
        Verdict.WARNING: bad("warn "),
        Verdict.FAULT: bad("FAULT"),
    }
    said = paragraph(f"{finding.part}: {finding.text}", rest="      ")
    mend = f"\n      → {finding.mend}" if finding.mend is not None else ""
    return f"{marks[finding.verdict]} {said}{mend}"


def _examined(file: Path) -> Iterator[Finding]:
    try:
        config = load(file)
    except ConfigError as error:
        for fault in error.faults:
            name = fault.file
            mend = f"$EDITOR +{fault.line} {name}" if fault.line else f"zparkctl -c {file} setup"
            if fault.line == 0 and file.name == "zparkd.toml" and not file.exists():
                mend = "sudo zparkctl setup"
            yield _fault("configuration", str(fault), mend)
        return
    number = f"{len(config.peers)} peers, {len(config.lanes)} edges"
    yield _good("configuration", f"{file}: {config.central_id} of site {config.site}, {number}")
    state = _state(file)
    for look in _LOOKS:
        yield from look(config, state)


State = dict[str, Any] | None


def _state(file: Path) -> State:
    """What the daemon says of itself; None where it does not run."""
    with suppress(DaemonUnreachable):
        answer = call(find_control(file)[0], "status")
        return answer if answer.get("success") is True else None
    return None


def _daemon(_: Config, state: State) -> Iterator[Finding]:
    if state is None:
        yield _fault(
            "daemon",
            "can't be asked: it does not run, or not for this user",
            "sudo systemctl start zparkd; sudo systemctl status zparkd",
        )
        return
    running = state.get("version")
    if running != __version__:
        yield _warning(
            "daemon",
            f"runs zparkd {running}, installed is {__version__}",
            "sudo systemctl restart zparkd",
        )
    else:
        yield _good("daemon", f"runs, zparkd {running}")
    for problem in state.get("problems") or ():
        text = f"{problem.get('code')}: {problem.get('message')}"
        yield _warning("daemon", text, str(problem.get("hint") or "zparkctl status"))


def _files(config: Config, _: State) -> Iterator[Finding]:
    """Which files the daemon keeps by the roster; where it can't, it is a problem of its own."""
    for noun, name in (("peers", PEERS), ("edges", EDGES)):
        written = written_in(config.path.parent / name)
        if written.roster or written.hand:
            said = f"{config.path.parent / name}: {len(written.roster)} {noun} by the roster"
            yield _good("files", f"{said}, by hand {', '.join(sorted(written.hand)) or 'none'}")


def _keys(config: Config, _: State) -> Iterator[Finding]:
    if config.security.mode is not SecurityMode.CURVE:
        if config.security.allow_insecure:
            yield _warning(
                "keys",
                "mode is plain: whoever reaches the ports opens barriers",
                'zparkctl keygen /etc/zparkd/central.key, then mode = "curve"',
            )
        else:
            yield _good("keys", "mode is plain, on loopback only")
        return
    try:
        key = own_public_key(config)
    except ValueError as fault:
        yield _fault("keys", str(fault), f"zparkctl keygen {config.security.secret_key_file}")
        return
    assert key is not None
    yield _good("keys", f"this central's key is there, fingerprint {fingerprint(key)}")


def _modes(config: Config, _: State) -> Iterator[Finding]:
    """What others than owner and group may do with files that hold plates or settings."""
    database = config.storage_path
    wanted = {database: 0o007, config.path: 0o002, config.path.parent: 0o002}
    for part in ("-wal", "-shm"):
        wanted[database.with_name(f"{database.name}{part}")] = 0o007
    wrong = False
    for path, forbidden in wanted.items():
        with suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & forbidden:
                wrong = True
                taken = "o=" if forbidden == 0o007 else "o-w"
                yield _fault(
                    "modes",
                    f"{path} has mode {mode:04o}: any account may use it",
                    f"sudo chmod {taken} {path}",
                )
    if not wrong:
        yield _good("modes", "no file is open to other accounts")


def _ports(config: Config, state: State) -> Iterator[Finding]:
    listen = config.listen
    host = own_host(config)
    for name in ("bus_port", "sync_port", "edge_port"):
        port = getattr(listen, name)
        if state is not None:
            reason = unreachable(host, port, _DIAL_S)
            if reason is None:
                yield _good("ports", f"{name} {port} answers at {host}")
            else:
                yield _fault("ports", f"{name} {port}: {reason}", "sudo systemctl restart zparkd")
            continue
        family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((listen.address, port))
                yield _good("ports", f"{name} {port} is free")
            except OSError as fault:
                yield _fault(
                    "ports",
                    f"{name} {port} at {listen.address}: {fault.strerror}",
                    f"ss -ltnp sport = :{port}; ip address",
                )


def _disk(config: Config, _: State) -> Iterator[Finding]:
    folder = config.storage_path.parent
    if not folder.is_dir():
        yield _fault("disk", f"{folder}: there is no such directory", "sudo zparkctl setup")
        return
    usage = shutil.disk_usage(folder)
    free = f"{usage.free / 1e9:,.1f} GB of {usage.total / 1e9:,.1f} GB free at {folder}"
    if usage.free < _FREE_BYTES[1]:
        yield _fault("disk", free, f"sudo du -xh {folder} | sort -h | tail")
    elif usage.free < _FREE_BYTES[0]:
        yield _warning("disk", free, f"sudo du -xh {folder} | sort -h | tail")
    else:
        yield _good("disk", free)
    kind = _kind_of_disk(folder)
    if kind in _NETWORK_DISKS:
        yield _fault(
            "disk",
            f"{folder} is on {kind}, a network: locks and fsync can't be relied on",
            "move storage.path to a disk of this machine",
        )
    try:
        took_ms = _fsync_ms(folder)
    except OSError as fault:
        yield _warning(
            "disk", f"the speed of fsync can't be tried: {fault.strerror}", "sudo zparkctl doctor"
        )
        return
    said = f"an fsync takes {took_ms:.1f} ms"
    if took_ms > _FSYNC_MS[1]:
        yield _fault("disk", f"{said}: each open waits for one", "sudo smartctl -a /dev/sdX")
    elif took_ms > _FSYNC_MS[0]:
        yield _warning("disk", f"{said}: each open waits for one", "sudo iotop -o")
    else:
        yield _good("disk", said)


def _kind_of_disk(folder: Path) -> str:
    """The kind of file system of a directory; empty where nobody says."""
    best, kind = "", ""
    with suppress(OSError):
        for line in Path("/proc/mounts").read_text("utf-8", "replace").splitlines():
            _, place, found, *_ = line.split(" ")
            inside = folder.resolve().is_relative_to(place.replace("\\040", " "))
            if inside and len(place) >= len(best):
                best, kind = place, found
    return kind


def _fsync_ms(folder: Path) -> float:
    """How long a write of one page takes to the disk; the median of some. Raises OSError."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_FSYNCS):
            began = time.perf_counter()
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def _database(config: Config, state: State) -> Iterator[Finding]:
    path = config.storage_path
    if not path.exists():
        if state is not None:
            yield _fault("database", f"{path} is not there", "sudo systemctl restart zparkd")
        else:
            yield _good("database", f"{path}: none yet; zparkd makes it")
        return
    try:
        with closing(read_only(path)) as connection:
            theirs = whose(connection)
            found = form(connection, _LOOK_S)
    except UNREADABLE as fault:
        yield _fault("database", f"{path}: {fault}", "zparkctl verify; sudo zparkctl restore FILE")
        return
    ours = (config.central_id, config.site)
    if theirs != ours:
        yield _fault(
            "database",
            f"{path} is of {theirs[0]} of site {theirs[1]}",
            f'write central.id = "{theirs[0]}" in {config.path}, or another storage.path',
        )
    if found == "ok":
        yield _good("database", f"{path}: {path.stat().st_size / 1e6:,.1f} MB, sound in its form")
    elif found is None:
        yield _warning(
            "database",
            f"{path}: no fault in {_LOOK_S:.0f} s, not looked at to the end",
            "zparkctl verify",
        )
    else:
        yield _fault("database", damaged(path, found), "sudo zparkctl restore FILE")


def _clock(_: Config, state: State) -> Iterator[Finding]:
    if time.time() * 1000 < RELEASE_MS:
        yield _fault(
            "clock", f"it says {time.strftime('%Y-%m-%d')}", "sudo timedatectl set-ntp true"
        )
        return
    synchronised = _output("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if synchronised == "no":
        yield _warning("clock", "is not synchronised by NTP", "sudo timedatectl set-ntp true")
    elif synchronised == "yes":
        yield _good("clock", "is synchronised by NTP")
    offsets = {
        str(peer.get("peer_id")): peer["clock_offset_ms"]
        for peer in (state or {}).get("peers") or ()
        if peer.get("clock_offset_ms") is not None
    }
    far = {peer: ms for peer, ms in offsets.items() if abs(ms) > limits.CLOCK_BOUND_MS}
    for peer, ms in far.items():
        yield _fault(
            "clock",
            f"{peer} differs by {ms / 1000:+,.0f} s",
            "on the one that is wrong: sudo timedatectl set-ntp true",
        )
    if offsets and not far:
        most = max(abs(ms) for ms in offsets.values())
        yield _good("clock", f"at most {most:,.0f} ms from the peers that are heard")


def _backups(_: Config, __: State) -> Iterator[Finding]:
    enabled = _output("systemctl", "is-enabled", "zparkd-backup.timer")
    if enabled is None:
        return
    if enabled != "enabled":
        yield _warning(
            "backups", "no timer makes them", "sudo systemctl enable --now zparkd-backup.timer"
        )
        return
    folder = Path("/var/lib/zparkd/backups")
    newest = max((file.stat().st_mtime for file in folder.glob("*.db")), default=0.0)
    days = (time.time() - newest) / 86_400
    if days > _BACKUP_DAYS:
        yield _warning(
            "backups",
            f"none in {_BACKUP_DAYS} days at {folder}",
            "sudo systemctl start zparkd-backup; journalctl -u zparkd-backup",
        )
    else:
        yield _good("backups", f"the newest is {days * 24:.0f} h old")


# --- peers


def _peers(config: Config, _: State) -> Iterator[Finding]:
    if not config.peers:
        yield _good("peers", "none: this central is standalone")
        return
    with ThreadPoolExecutor(max_workers=16) as looking:
        for findings in looking.map(lambda peer: list(_peer(config, peer)), config.peers):
            yield from findings


def _peer(config: Config, peer: Peer) -> Iterator[Finding]:
    """Name, ports, key, identity, site, and what its heartbeat says."""
    part = f"peer {peer.id}"
    file = config.path.parent / "peers.d" / f"{peer.id}.toml"
    for port in (peer.bus_port, peer.sync_port):
        reason = unreachable(peer.address, port, _DIAL_S)
        if reason is not None:
            yield _fault(
                part,
                f"{peer.address}: {reason}",
                f"there: sudo systemctl status zparkd; sudo nft list ruleset; or $EDITOR {file}",
            )
            return
    try:
        with line_to(config, peer) as line:
            line.ping()
    except NoUse as fault:
        yield _fault(
            part,
            f"{peer.address}, port {peer.sync_port}: {fault}",
            _MENDS.get(
                fault.code, "compare keys: zparkctl peer list here, zparkctl keygen --public there"
            ),
        )
        return
    except ValueError as fault:
        yield _fault(part, str(fault), "zparkctl config check")
        return
    beat = heartbeat(config, peer)
    if beat is None:
        yield _fault(part, f"its bus_port {peer.bus_port} sends no heartbeat", f"$EDITOR {file}")
        return
    said = f"{peer.address} answers, key and site are right, zparkd {beat.version}"
    if config.central_id not in beat.hears:
        yield _warning(
            part,
            f"{said}; but it does not hear this central",
            f"there: zparkctl peer test {config.central_id}",
        )
    elif beat.version != __version__:
        yield _warning(part, f"{said}, here {__version__}", "install the newer of the two on both")
    else:
        yield _good(part, said)


_MENDS = {
    "another_central": "zparkctl peer remove ID; zparkctl peer add ID ADDRESS",
    "another_site": "one site, one name: central.site in zparkd.toml, here or there",
    "refused": "there: zparkctl peer add, with the id and key of this central",
}


# --- the unit


def _unit(_: Config, __: State) -> Iterator[Finding]:
    shown = _output("systemctl", "show", "zparkd", *(f"--property={name}" for name in _UNIT))
    unit = dict(line.partition("=")[::2] for line in (shown or "").splitlines())
    if shown is None or unit.get("LoadState") != "loaded":
        yield _warning("unit", "no systemd unit runs zparkd here", "sudo zparkctl setup")
        return
    if unit.get("UnitFileState") != "enabled":
        yield _warning("unit", "is not started with the machine", "sudo systemctl enable zparkd")
    files = unit.get("LimitNOFILE", "")
    if files.isdigit() and int(files) < limits.OPEN_FILES:
        said = f"LimitNOFILE is {files}, {limits.OPEN_FILES} are needed"
        yield _fault("unit", said, "sudo systemctl edit zparkd")
    if (restarts := unit.get("NRestarts")) not in (None, "", "0"):
        said = f"was restarted {restarts} times by itself"
        yield _warning("unit", said, "journalctl -u zparkd -p warning")
    yield _good("unit", f"is {unit.get('ActiveState')}")


def _output(*command: str) -> str | None:
    """What a program prints; None where it is not there or says nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


_LOOKS: tuple[Callable[[Config, State], Iterator[Finding]], ...] = (
    _daemon,
    _files,
    _keys,
    _modes,
    _ports,
    _disk,
    _database,
    _clock,
    _backups,
    _peers,
    _unit,
)
