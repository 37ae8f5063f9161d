"""`zparkctl sync`: what counts as missing, how it waits, and how it gives up."""

import os
import pty
import subprocess
import sys
from typing import Any

import orjson
import pytest

from tests.cli.conftest import ROOT, Central
from tests.support.scripted import Asked, Script

SINCE = "2025-12-02T10:30:00.000+07:00"


def peer(id: str, behind: int | None, connected: bool = True) -> dict[str, Any]:
    """What is told of a peer; of one that is not connected only what was so when it was heard."""
    return {
        "peer_id": id,
        "behind": behind if connected else None,
        "behind_when_heard": behind,
        "connected": connected,
        "last_ping_time": SINCE,
    }


def telling(*looks: list[dict[str, Any]], uptime_s: float = 60) -> Script:
    """A daemon that tells of these peers, look by look, and goes on with the last."""

    def script(asked: Asked, earlier: list[Asked]) -> None:
        peers = looks[min(len(earlier), len(looks) - 1)]
        answer = {"success": True, "uptime_s": uptime_s, "peers": peers}
        asked.reply({"v": 1, "id": asked.request["id"], **answer})

    return script


def test_nothing_missing_exits_0_at_once(central: Central) -> None:
    with central.daemon(telling([peer("central-2", 0)])) as daemon:
        result = central.run("sync", "--wait")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "nothing is known to be missing here\n"
    assert len(daemon.requests) == 1


def test_a_standalone_central_misses_nothing(central: Central) -> None:
    with central.daemon(telling([])):
        assert central.run("sync").exit_code == 0


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (peer("central-2", 1), "central-2: 1 event not here yet"),
        (peer("central-2", 1234, False), "central-2: 1,234 events not here yet, and it is not"),
        (peer("central-2", None, False), "central-2: what it has is not known, and it is not"),
        (peer("central-2", None), "central-2: what it has is not known"),
    ],
)
def test_without_wait_what_is_missing_exits_1(
    central: Central, one: dict[str, Any], said: str
) -> None:
    with central.daemon(telling([one, peer("central-3", 0)])) as daemon:
        result = central.run("sync", "--json")
    assert result.exit_code == 1
    assert result.stderr.startswith(said)
    assert len(daemon.requests) == 1
    printed = orjson.loads(result.stdout)
    assert printed["success"] is False
    assert printed["peers"] == [{"peer_id": "central-2", "missing": one["behind_when_heard"]}]


def test_a_peer_that_is_not_heard_but_had_nothing_more_is_named(central: Central) -> None:
    with central.daemon(telling([peer("central-2", 0, False)])):
        result = central.run("sync", "--wait")
        as_json = central.run("sync", "--json")
    assert result.exit_code == 0
    assert result.stdout == (
        "nothing is known to be missing here\n"
        "central-2: not heard since 2025-12-02 10:30:00, so it may have more\n"
    )
    assert orjson.loads(as_json.stdout)["unheard"] == ["central-2"]


def test_what_a_peer_has_that_is_heard_and_not_yet_looked_at_is_missing(central: Central) -> None:
    told = peer("central-2", 0) | {"behind": None}
    with central.daemon(telling([told])):
        result = central.run("sync")
    assert result.exit_code == 1
    assert result.stderr == "central-2: what it has is not known\n"


def test_a_peer_that_was_not_heard_in_this_run_is_named_as_such(central: Central) -> None:
    with central.daemon(telling([peer("central-2", 0, False) | {"last_ping_time": None}])):
        result = central.run("sync", "--wait")
    assert result.exit_code == 0
    assert "\ncentral-2: not heard since this central started, so it may" in result.stdout


def test_just_after_a_start_wait_lets_peers_be_heard_first(central: Central) -> None:
    looks = [[peer("central-2", 0, False)], [peer("central-2", 7)], [peer("central-2", 0)]]
    with central.daemon(telling(*looks, uptime_s=0)) as daemon:
        result = central.run("sync", "--wait")
    assert result.exit_code == 0
    assert len(daemon.requests) == 3


def test_it_waits_until_all_is_here(central: Central) -> None:
    looks = [[peer("central-2", None)], [peer("central-2", 9)], [peer("central-2", 0)]]
    with central.daemon(telling(*looks)) as daemon:
        result = central.run("sync", "--wait", "--json")
    assert result.exit_code == 0
    assert orjson.loads(result.stdout)["peers"] == []
    assert len(daemon.requests) == 3


def test_at_the_timeout_it_says_what_is_missing_and_from_whom(central: Central) -> None:
    with central.daemon(telling([peer("central-2", 5), peer("central-3", None, False)])):
        result = central.run("sync", "--wait", "--timeout", "0.3")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "central-2: 5 events not here yet",
        "central-3: what it has is not known, and it is not heard since 2025-12-02 10:30:00",
    ]


def test_a_terminal_sees_a_progress_bar(central: Central) -> None:
    ours, theirs = pty.openpty()
    looks = [[peer("central-2", 100)], [peer("central-2", 150)], [peer("central-2", 0)]]
    with central.daemon(telling(*looks)):
        done = subprocess.run(
            [sys.executable, "-m", "zparkd.cli.main", "-c", str(central.file), "sync", "--wait"],
            cwd=ROOT,
            env=os.environ | {"TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=60,
            check=False,
        )
    os.close(theirs)
    text = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0
    assert done.stdout == b"nothing is known to be missing here\n"
    assert "fetching" in text
    assert "100%" in text


def test_no_daemon_exits_69_also_while_waiting(central: Central) -> None:
    assert central.run("sync", "--wait").exit_code == 69


@pytest.mark.parametrize("arguments", [("--timeout", "-1"), ("--timeout", "soon"), ("now",)])
def test_wrong_arguments_exit_2(central: Central, arguments: tuple[str, ...]) -> None:
    assert central.run("sync", *arguments).exit_code == 2
