"""Centrals and cameras become members by one command each, over real processes and sockets."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.harness import PATIENCE_S, zparkctl
from zparkd.client.edge import EdgeClient
from zparkd.config.load import SecurityMode
from zparkd.testbed.loopback import LoopbackCentral, wait_for

QUICK = "\n[bus]\nheartbeat_s = 0.2\npeer_timeout_s = 2.0\n"


@pytest.fixture
def centrals(tmp_path: Path) -> Iterator[list[LoopbackCentral]]:
    """Three that know nobody; only the first runs."""
    made = [
        LoopbackCentral(tmp_path / f"c{n}", f"central-{n}", more=QUICK, mode=SecurityMode.CURVE)
        for n in (1, 2, 3)
    ]
    made[0].start()
    yield made
    for central in made:
        if central.process is not None:
            central.stop()


def invite(central: LoopbackCentral, *words: str) -> str:
    done = zparkctl(central.config, "invite", *words)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout
    return lines[0]


def join(central: LoopbackCentral, token: str) -> "subprocess.CompletedProcess[str]":
    return zparkctl(central.config, "join", token)


def become_member(central: LoopbackCentral, token: str) -> None:
    done = join(central, token)
    assert done.returncode == 0, done.stderr
    if central.process is None:
        central.start()


def problems(central: LoopbackCentral) -> dict[str, str]:
    return {one["code"]: one["message"] for one in central.status()["problems"]}


def total(central: LoopbackCentral, peers: int) -> None:
    wait_for(
        f"{central.id} has {peers} peers connected",
        lambda: (
            central.status()["total_peers"] == peers
            and central.status()["connected_peers"] == peers
        ),
        PATIENCE_S,
    )


def test_a_central_joins_by_one_token_and_all_others_know_it(
    centrals: list[LoopbackCentral],
) -> None:
    first, second, third = centrals
    become_member(second, invite(first, "central-2"))
    total(first, 1)
    total(second, 1)
    become_member(third, invite(second, "central-3"))
    for central in centrals:
        total(central, 2)
    assert first.peer_file("central-3").read_text().startswith("# zparkd roster")


def test_a_camera_joins_by_one_token_and_is_known_at_every_central(
    centrals: list[LoopbackCentral], tmp_path: Path
) -> None:
    first, second, _ = centrals
    become_member(second, invite(first, "central-2"))
    total(second, 1)
    token = invite(first, "--edge", "edge-1", "--direction", "ENTRY")
    file = tmp_path / "edge-1.json"
    with EdgeClient.join(token, file) as camera:
        assert camera.ping()["success"] is True
    assert file.stat().st_mode & 0o777 == 0o600
    wait_for("second knows it", lambda: second.edge_file("edge-1").exists(), PATIENCE_S)
    first.stop()
    with EdgeClient.join("", file, timeout_s=5) as camera:
        answer = camera.open_barrier("29A00001")
    assert (answer["success"], answer["action"]) == (True, "ENTRY")
    assert camera.centrals == (first.endpoint, second.endpoint)
