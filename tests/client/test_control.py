"""ControlClient against a real ROUTER on a Unix socket, and against none."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scripted import Asked, Script, Scripted, keep_silent
from zparkd.client.control import ControlClient, DaemonUnreachable


@pytest.fixture
def path() -> Iterator[Path]:
    # Not tmp_path: a socket's path has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="zp-") as folder:
        yield Path(folder) / "control.sock"


def daemon(path: Path, script: Script) -> Scripted:
    return Scripted(script, f"ipc://{path}")


def agree(asked: Asked, earlier: list[Asked]) -> None:
    asked.reply({"v": 1, "id": asked.request["id"], "success": True, "events": len(earlier)})


def test_a_call_sends_the_envelope_and_returns_the_answer(path: Path) -> None:
    with daemon(path, agree) as running, ControlClient(path) as client:
        first = client.call("status")
        second = client.call("peer.test", peer="central-2", count=3)
        sent = running.requests
    assert first["success"] is True
    assert (first["events"], second["events"]) == (0, 1)
    assert [request.pop("id") for request in sent] == [first["id"], second["id"]]
    assert first["id"] != second["id"]
    assert sent == [
        {"v": 1, "command": "status"},
        {"v": 1, "command": "peer.test", "peer": "central-2", "count": 3},
    ]


def test_a_no_is_a_value(path: Path) -> None:
    error = {"code": "unknown_command", "message": "no such command"}

    def refuse(asked: Asked, earlier: list[Asked]) -> None:
        asked.reply({"v": 1, "id": asked.request["id"], "success": False, "error": error})

    with daemon(path, refuse), ControlClient(path) as client:
        answer = client.call("fly")
    assert answer["success"] is False
    assert answer["error"] == error


def test_answers_to_others_and_garbage_are_passed_over(path: Path) -> None:
    def babble(asked: Asked, earlier: list[Asked]) -> None:
        for stray in (b"\xff garbage", ["a", "list"], {"v": 1, "id": "other", "success": False}):
            asked.reply(stray)
        for one in (*earlier, asked):
            agree(one, [])

    with daemon(path, babble), ControlClient(path) as client:
        ids = {client.call("status")["id"] for _ in range(5)}
    assert len(ids) == 5


def test_no_socket_says_how_to_start_it(path: Path) -> None:
    with ControlClient(path) as client, pytest.raises(DaemonUnreachable) as caught:
        client.call("status")
    text = str(caught.value)
    assert str(path) in text
    assert "no such socket" in text
    assert "systemctl start zparkd" in text
    assert "zparkd -c FILE" in text


def test_a_socket_left_over_is_known_at_once(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    # A timeout beyond the test's own: waiting for it would be the failure.
    with (
        ControlClient(path, timeout_s=3600) as client,
        pytest.raises(DaemonUnreachable, match="left over"),
    ):
        client.call("status")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use any socket")
def test_a_socket_of_another_user_says_so(path: Path) -> None:
    with daemon(path, agree), ControlClient(path) as client:
        path.chmod(0)
        with pytest.raises(DaemonUnreachable, match="may not use it"):
            client.call("status")


def test_a_silent_daemon_is_waited_for_no_longer_than_asked(path: Path) -> None:
    with daemon(path, keep_silent) as running, ControlClient(path, timeout_s=0.2) as client:
        with pytest.raises(DaemonUnreachable, match=r"no answer in 0\.2 s.*systemctl start zparkd"):
            client.call("status")
        running.wait_for(1)


def test_a_path_too_long_for_a_socket_is_no_crash(path: Path) -> None:
    with (
        ControlClient(path.parent / ("x" * 120)) as client,
        pytest.raises(DaemonUnreachable, match="too long"),
    ):
        client.call("status")
