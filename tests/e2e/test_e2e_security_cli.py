"""The commands of a site with keys, what is logged of whom, and a port that is flooded."""

import os
import re
import resource
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest

from tests.support.harness import (
    QUICK,
    answered_meanwhile,
    problems,
    wait_connected,
    zparkctl,
    zparkd,
)
from tests.support.stranger import secret_in
from zparkd.config.load import SecurityMode
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for

PLATE = "29A77777"


@pytest.fixture(scope="module")
def site() -> Iterator[LoopbackSite]:
    """A chain of three with keys: the first and the last know only the one between them."""
    with (
        tempfile.TemporaryDirectory(prefix="zp-") as name,
        LoopbackSite(
            Path(name), 3, links=[(0, 1), (1, 2)], more=QUICK, mode=SecurityMode.CURVE
        ) as site,
    ):
        site.centrals[0].admits("gate-1", "honest")
        site.start()
        wait_connected(*site.centrals)
        yield site


def test_a_camera_command_needs_the_key_of_that_camera(site: LoopbackSite) -> None:
    one = site.centrals[0]
    asked = ("edge", "detect", "--edge", "gate-1", "--plate", PLATE)
    without = zparkctl(one.config, *asked)
    assert without.returncode == 1
    assert "--secret-key-file FILE" in without.stderr
    unknown = zparkctl(one.config, *asked[:3], "gate-7", *asked[4:])
    assert unknown.returncode == 1
    assert "zparkctl keygen gate-7.key" in unknown.stderr
    other = zparkctl(one.config, *asked, "--secret-key-file", str(one.key_of("honest")))
    assert other.returncode == 1
    assert "is not the key of gate-1" in other.stderr
    done = zparkctl(one.config, *asked, "--secret-key-file", str(one.key_of("gate-1")))
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout)["success"] is True


def test_what_one_end_of_a_chain_signs_is_at_the_other(site: LoopbackSite) -> None:
    one, two, three = site.centrals
    with one.edge("gate-1") as camera:
        assert camera.open_barrier(PLATE, direction="ENTRY")["success"] is True
        camera.close_barrier()
    wait_for("it is there", lambda: len(three.history()) == 1)
    assert one.history() == two.history() == three.history()
    for central in site.centrals:
        assert not problems(central) & {"FORGED", "UNSIGNED_PAST", "PEER_ERROR"}


def test_verify_and_peer_test_speak_with_the_central_s_key(site: LoopbackSite) -> None:
    two = site.centrals[1]
    assert zparkctl(two.config, "peer", "test", "central-1").returncode == 0
    found = zparkctl(two.config, "verify", "--json")
    assert found.returncode == 0, found.stderr
    assert all(peer["answered"] for peer in orjson.loads(found.stdout)["peers"])


def test_peer_test_says_that_the_keys_do_not_fit(site: LoopbackSite) -> None:
    two = site.centrals[1]
    stranger = LoopbackCentral(two.folder / "stranger", "central-9", mode=SecurityMode.CURVE)
    stranger.knows(two)
    refused = zparkctl(stranger.config, "peer", "test", "central-2")
    assert refused.returncode == 1
    assert "do the keys fit" in refused.stderr


def test_config_check_names_a_missing_key_and_the_command_that_makes_it(folder: Path) -> None:
    central = LoopbackCentral(folder / "one", "central-1", mode=SecurityMode.CURVE)
    key = central.folder / "central.key"
    key.rename(central.folder / "elsewhere")
    checked = zparkctl(central.config, "config", "check")
    assert checked.returncode == 78
    assert f"zparkctl keygen {key}" in checked.stderr
    started = zparkd(central.config)
    assert started.returncode == 78
    assert f"zparkctl keygen {key}" in started.stderr


def test_plain_mode_that_allows_everybody_warns_at_each_start_and_in_status(
    folder: Path,
) -> None:
    more = f"allow_insecure = true\n{QUICK}"
    with LoopbackSite(folder, 1, more=more) as site:
        site.start()
        (central,) = site.centrals
        assert "INSECURE" in problems(central)
        assert "any host that reaches these ports" in central.log.read_text()


# --- the log -----------------------------------------------------------------------------------


def test_a_command_that_changes_something_is_logged_with_who_asked(site: LoopbackSite) -> None:
    one = site.centrals[0]
    assert zparkctl(one.config, "reload").returncode == 0
    assert re.search(rf"reload done, requested by uid {os.getuid()}, pid \d+", one.log.read_text())
    assert "status done" not in one.log.read_text()


def test_a_plate_is_in_the_lines_of_events_and_no_key_in_any(site: LoopbackSite) -> None:
    one = site.centrals[0]
    with one.edge("gate-1") as camera:
        assert camera.open_barrier("29A88888", direction="ENTRY")["success"] is True
        assert camera.open_barrier("29A88888", direction="ENTRY")["success"] is False
        assert camera.open_barrier("29A99999", direction="EXIT")["success"] is False
        camera.detect("29A66666")
    lines = one.log.read_text().splitlines()
    about = [line for line in lines if re.search("29A(66666|88888|99999)", line)]
    assert len(about) == 1
    assert "29A88888 (car) in at gate-1" in about[0]
    for central in site.centrals:
        log = central.log.read_bytes()
        assert all(secret_in(file) not in log for file in central.folder.glob("*.key"))


def test_the_control_socket_is_for_owner_and_group_and_so_is_its_folder(folder: Path) -> None:
    central = LoopbackCentral(folder / "one", "central-1", mode=SecurityMode.CURVE)
    central.folder.chmod(0o777)
    refused = zparkd(central.config)
    assert refused.returncode == 1
    assert f"chmod o-w {central.folder}" in refused.stderr
    central.folder.chmod(0o750)
    with ExitStack() as running:
        central.start()
        running.callback(central.kill)
        assert (central.folder / "control.sock").stat().st_mode & 0o777 == 0o660


# --- floods ------------------------------------------------------------------------------------


def test_silent_connections_use_up_the_files_for_a_second_and_honest_cameras_go_on(
    site: LoopbackSite,
) -> None:
    one = site.centrals[0]
    assert one.process is not None
    before = resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE)
    held: list[socket.socket] = []
    try:
        with answered_meanwhile(one) as honest:
            wait_for("it is connected", lambda: honest.answered > 0)
            resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, (120, before[1]))
            for number in range(300):
                held.append(socket.create_connection(("127.0.0.1", one.ports[number % 3]), 10))
        with one.edge("gate-1") as camera:  # a new connection, once the silent ones are closed
            assert camera.ping()["success"] is True
    finally:
        resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, before)
        for connection in held:
            connection.close()
    assert one.status()["running"] is True


def test_the_daemon_asks_for_more_files_than_a_shell_gives(site: LoopbackSite) -> None:
    process = site.centrals[0].process
    assert process is not None
    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    assert soft >= min(8192, hard)
