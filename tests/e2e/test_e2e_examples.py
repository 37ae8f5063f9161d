"""Each example in a command's help does, typed as it stands, what it is there for.

Examples run in a shell, in a folder of their own, against real daemons; only places such as
/etc/zparkd lead elsewhere. What can't be run says why in SKIPPED. What an example needs first, or
runs until ^C, is in the tables below: all others must just end with 0. A central is stopped for the
examples of what needs that.
"""

import inspect
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from tests.support.harness import PATIENCE_S, QUICK, ROOT
from tests.support.old_database import old_rows, write_old
from zparkd.cli.main import main as zparkctl_main
from zparkd.config.load import SecurityMode
from zparkd.daemon.main import main as zparkd_main
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, free_ports, wait_for, zparkctl

PROGRAMS = {"zparkctl": zparkctl_main, "zparkd": zparkd_main}

# What is not run, and why. Each is the beginning of an example.
SKIPPED = {
    "zparkctl setup": "makes a user and writes to /etc; test_setup_command.py runs it elsewhere",
    "zparkctl tariff explain": "names a stay of another site; test_explain_command.py has its own",
    "zparkctl bundle": "names a peer and a medium; test_bundle_command.py has its own",
    "zparkctl conflicts ack": "names a conflict; test_conflicts_ack_command.py has its own",
    "zparkctl report check": "names a day that was closed; test_report_day_command.py closes one",
    "zparkctl vehicle close": "names an event of another site; test_e2e_vehicle.py has its own",
    "zparkctl vehicle correct": "names an event of another site; test_e2e_vehicle.py has its own",
    "zparkctl vehicle void": "names an event of another site; test_e2e_vehicle.py has its own",
    "zparkctl vehicle charge": "names an event of another site; test_e2e_vehicle.py has its own",
    "zparkctl vehicle erase": "the vehicle of the examples is inside; test_erasure.py has its own",
}

# Examples about the roster are typed at a central with keys, that is alone but for these members.
KEYED: dict[str, tuple[str, ...]] = {
    "zparkctl invite": (),
    "zparkctl join": (),
    "zparkctl member address": ("central-2",),
    "zparkctl member remove": ("central-9",),
    "zparkctl member rotate-key": ("central-2",),
}


def commands(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and all below it, with the words by which it is called."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, *path, name)


def examples(command: click.Command) -> list[str]:
    """The examples in the help of a command, each on one line."""
    text = "\n\n".join(inspect.cleandoc(part) for part in (command.help, command.epilog) if part)
    return [
        " ".join(one.split())
        for one in re.findall(r"^Example: (.+?)(?:\n\n|\Z)", text, re.M | re.S)
    ]


HELP = [
    (" ".join(path), command)
    for name, program in PROGRAMS.items()
    for path, command in commands(program, name)
]
IN_HELP = [example for _, command in HELP for example in examples(command)]


class Place(NamedTuple):
    """Where examples run: a central that runs and has a peer, and one that does not run."""

    folder: Path
    central: LoopbackCentral
    other: LoopbackCentral
    stopped: LoopbackCentral

    def as_here(self, example: str) -> str:
        """The example with the places of a real machine replaced."""
        text = example.replace("/etc/zparkd/zparkd.toml", str(self.config_for(example)))
        for elsewhere, here in PLACES.items():
            text = text.replace(elsewhere, str(self.folder / here))
        return text

    def config_for(self, example: str) -> Path:
        """Whose configuration an example is about."""
        stopped = example.startswith(("zparkd ", "zparkctl restore"))
        return self.stopped.config if stopped else self.central.config

    def typed(self, example: str, screen: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        """A shell at work on it, in a new folder that holds the files that examples name."""
        work = Path(tempfile.mkdtemp(dir=self.folder))
        for name, text in FILES.items():
            (work / name).write_text(text)
        write_old(work / "parking.db", old_rows(20))
        programs = self.folder / "programs"
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", self.as_here(example)],
            cwd=work,
            env={
                **os.environ,
                "PATH": f"{programs}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "HOME": str(work),
                "ZPARKD_CONFIG": str(self.config_for(example)),
            },
            stdin=subprocess.DEVNULL,
            stdout=screen,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


PLACES = {"/etc/zparkd": "", "/var/backups": ".", "/var/lib/zparkd": "stopped"}
FILES = {
    "p2p_config.json": '{"this_central": {"id": "central-1", "ip": "127.0.0.1", "p2p_port": 9000,'
    ' "api_port": 8000}, "peer_centrals": []}',
    "passes.json": '[{"plate_id": "29A12345", "camera_type": "car", "valid_from": "2025-12-01",'
    ' "valid_until": "2025-12-31", "holder": "a tenant"}]',
    "policy.toml": "[capacity]\ncar = 200\n",
    "staff.json": '[{"staff_id": "nv01", "name": "An"}]',
    "tariff.toml": '[[rate]]\ncamera_type = "car"\ncurrency = "VND"\n'
    "[[rate.step]]\nevery_minutes = 60\namount = 15000\n",
}
# Stands in for jq where that is not installed: prints one field of each line.
JQ = """import json, sys
for line in sys.stdin:
    print(json.dumps(json.loads(line)[sys.argv[1].removeprefix(".")]), flush=True)
"""
MODULES = {
    "zparkctl": "zparkd.cli.main",
    "zparkd": "zparkd.daemon.main",
}


def shims(folder: Path) -> None:
    """The programs that examples name, in a folder for PATH."""
    (folder / "programs").mkdir()
    for program, module in MODULES.items():
        shim = folder / "programs" / program
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        shim.chmod(0o755)
    if shutil.which("jq") is None:
        (folder / "programs/jq").write_text(f"#!{sys.executable}\n{JQ}")
        (folder / "programs/jq").chmod(0o755)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with (
        tempfile.TemporaryDirectory(prefix="zp-") as name,
        LoopbackSite(Path(name), 2, more="allow_insecure = true\n") as site,
    ):
        folder = Path(name)
        shims(folder)
        site.start()
        site.wait_connected()
        stopped = LoopbackCentral(folder / "stopped", "central-9")
        yield Place(folder, *site.centrals, stopped)


# What must be so before an example, by its beginning.


def nobody_inside(place: Place) -> None:
    with place.central.edge("edge-1") as camera:
        answer = camera.open_barrier(
            "29A12345", direction="EXIT", force=True, reason="the next example", staff_id="nv01"
        )
    assert answer["success"], answer


def peer_unknown(place: Place) -> None:
    place.central.peer_file("central-2").unlink()


def members_known(place: Place) -> None:
    for id in ("central-7", "central-9"):
        file = place.central.peer_file(id)
        file.write_text(place.central.peer_file("central-2").read_text().replace("central-2", id))
        file.write_text(
            re.sub("_port = .*", lambda _: f"_port = {free_ports(1)[0]}", file.read_text())
        )
    zparkctl(place.central.config, "reload")


def backed_up(place: Place) -> None:
    place.stopped.start()
    backups = place.stopped.folder / "backups"
    backups.mkdir()
    zparkctl(place.stopped.config, "backup", str(backups / "central-1-20261121.db"))
    place.stopped.stop()


BEFORE: dict[str, Callable[[Place], None]] = {
    "zparkctl edge open": nobody_inside,
    "zparkctl vehicle show": nobody_inside,  # and the vehicle is known
    "zparkctl peer add": peer_unknown,
    "zparkctl member": members_known,
    "zparkctl restore": backed_up,
}


@pytest.fixture
def as_before(place: Place) -> Iterator[None]:
    """The peers of the central are those that it had, whatever an example did."""
    folder = place.central.folder / "peers.d"

    def peers() -> dict[Path, str]:
        return {file: file.read_text() for file in folder.iterdir()}

    before = peers()
    yield
    if peers() != before:
        for file in peers().keys() - before.keys():
            file.unlink()
        for file, text in before.items():
            file.write_text(text)
        zparkctl(place.central.config, "reload")


@pytest.mark.parametrize(("path", "command"), HELP, ids=[path for path, _ in HELP])
def test_the_help_of_each_command_has_an_example_of_it(path: str, command: click.Command) -> None:
    found = examples(command)
    assert found
    name, *words = path.split()
    for example in found:
        said = example.split()
        assert said[0] == name
        assert [word for word in said if word in words][: len(words)] == words


def skip(example: str) -> None:
    for beginning, reason in SKIPPED.items():
        if example.startswith(beginning):
            pytest.skip(f"{beginning}: {reason}")


def ending() -> list[str]:
    elsewhere = (*ENDLESS, is_keyed)
    return sorted({one for one in IN_HELP if not any(other(one) for other in elsewhere)})


def is_keyed(example: str) -> bool:
    return example.startswith(tuple(KEYED))


def is_tail(example: str) -> bool:
    return example.startswith("zparkctl tail")


def is_watch(example: str) -> bool:
    return "--watch" in example


def is_top(example: str) -> bool:
    return example.startswith("zparkctl top")


def is_server(example: str) -> bool:
    return example.startswith("zparkd ")


SCREENS = (is_tail, is_watch, is_top)
ENDLESS = (*SCREENS, is_server)


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize("example", ending())
def test_an_example_in_the_help_works(place: Place, example: str) -> None:
    skip(example)
    for beginning, prepare in BEFORE.items():
        if example.startswith(beginning):
            prepare(place)
    process = place.typed(example)
    told, faults = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, f"{place.as_here(example)}\n{told}{faults}"


@pytest.mark.parametrize("example", [one for one in IN_HELP if any(on(one) for on in SCREENS)])
def test_an_example_that_goes_on_prints_what_happens(place: Place, example: str) -> None:
    screen, terminal = pty.openpty()  # into a pipe some programs write no line at once
    process = place.typed(example, terminal)
    os.close(terminal)
    try:

        def told() -> bool:
            assert process.poll() is None, process.communicate()
            nobody_inside(place)
            ready, _, _ = select.select([screen], [], [], 0.2)
            return bool(ready) and bool(os.read(screen, 4096))

        wait_for("something is printed", told, PATIENCE_S)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        os.close(screen)


@pytest.mark.parametrize("example", [one for one in IN_HELP if is_server(one)])
def test_an_example_that_serves_runs_until_it_is_interrupted(place: Place, example: str) -> None:
    process = place.typed(example)
    try:
        control = place.stopped.folder / "control.sock"
        wait_for("it runs", lambda: control.exists() or process.poll() is not None, PATIENCE_S)
        assert process.poll() is None, process.communicate()
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0, process.communicate()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


# --- the roster -----------------------------------------------------------------------------------


class Keyed:
    """A central with keys, and members that joined it."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder, *(self._made(folder, id) for id in ("central-1", "x", "y")))
        self._folder = folder
        self.members: dict[str, LoopbackCentral] = {}
        shims(folder)

    def _made(self, folder: Path, id: str) -> LoopbackCentral:
        return LoopbackCentral(folder / id, id, more=QUICK, mode=SecurityMode.CURVE)

    def invited(self, id: str) -> str:
        """The token for somebody new, whose files are there."""
        self.members[id] = self._made(self._folder, id)
        return zparkctl(self.place.central.config, "invite", id).decode().strip()

    def joins(self, id: str) -> None:
        """Somebody becomes a member, and is connected."""
        token = self.invited(id)
        zparkctl(self.members[id].config, "join", token)
        self.members[id].start()
        wait_for(f"{id} is connected", lambda: self.connected(1), PATIENCE_S)

    def connected(self, count: int) -> bool:
        state = self.place.central.status()
        return (state["total_peers"], state["connected_peers"]) == (count, count)

    def end(self) -> None:
        for central in (self.place.central, *self.members.values()):
            if central.process is not None:
                central.stop()


def own_key(central: LoopbackCentral) -> bytes:
    return zparkctl(central.config, "keygen", "--public", str(central.folder / "central.key"))


@pytest.fixture
def keyed() -> Iterator[Keyed]:
    with tempfile.TemporaryDirectory(prefix="zp-") as name:
        made = Keyed(Path(name))
        try:
            made.place.central.start()
            yield made
        finally:
            made.end()


@pytest.mark.parametrize("example", sorted({one for one in IN_HELP if is_keyed(one)}))
def test_an_example_about_the_roster_works(keyed: Keyed, example: str) -> None:
    place, first = keyed.place, keyed.place.central
    [members] = [some for beginning, some in KEYED.items() if example.startswith(beginning)]
    for id in members:
        keyed.joins(id)
    typed, before = example, own_key(first)
    if example.startswith("zparkctl join"):
        typed = example.replace("TOKEN", keyed.invited("central-2"))
        place = place._replace(central=keyed.members["central-2"])
    process = place.typed(typed)
    told, faults = process.communicate(timeout=3 * PATIENCE_S)  # a change of key waits for others
    assert process.returncode == 0, f"{typed}\n{told}{faults}"
    listed = json.loads(zparkctl(first.config, "member", "list", "--json"))
    members_now = {row["member"]: row for row in listed}
    match example.split()[1:3]:
        case ["invite", id]:
            assert told.startswith("zparkd1.")
            assert id not in members_now
        case ["join", _]:
            keyed.members["central-2"].start()
            wait_for("it is connected", lambda: keyed.connected(1), PATIENCE_S)
        case ["member", "remove"]:
            wait_for("it is gone", lambda: keyed.connected(0), PATIENCE_S)
        case ["member", "address"]:
            membership = members_now["central-2"]["membership"]
            assert membership["address"] == example.rsplit(maxsplit=1)[-1]
        case ["member", "rotate-key"]:
            assert own_key(first) != before
            wait_for("both are connected", lambda: keyed.connected(1), PATIENCE_S)
