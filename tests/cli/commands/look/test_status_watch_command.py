"""`zparkctl status --watch`: again and again, also across a restart of the daemon, until ^C."""

import os
import pty
import signal
import subprocess
import sys
from typing import IO

import orjson
import pytest

from tests.cli.commands.look.test_status_command import answer
from tests.cli.conftest import ROOT, Central
from tests.support.scripted import Asked


def told(asked: Asked, earlier: list[Asked]) -> None:
    asked.reply({"v": 1, "id": asked.request["id"], **answer(events=len(earlier))})


def watching(central: Central, *arguments: str, **options: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "zparkd.cli.main", "-c", str(central.file), "status"]
    return subprocess.Popen(
        [*command, "--watch", "--interval", "0.1", *arguments],
        cwd=ROOT,
        stdout=options.get("stdout", subprocess.PIPE),  # type: ignore[call-overload]
        env=os.environ | {"TERM": "xterm"},
    )


def read_until(stream: "IO[bytes] | int", *wanted: str) -> str:
    """What is printed until all of these have come, in this order."""
    file = stream if isinstance(stream, int) else stream.fileno()
    text, at = "", 0
    for one in wanted:
        while (found := text.find(one, at)) < 0:
            more = os.read(file, 65536).decode()
            assert more, f"ended before {one!r}: {text}"
            text += more
        at = found + len(one)
    return text


def test_json_is_a_line_each_time_until_it_is_interrupted(central: Central) -> None:
    with central.daemon(told), watching(central, "--json") as process:
        assert process.stdout is not None
        lines = [orjson.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert [line["events"] for line in lines] == [0, 1, 2]
    assert {line["schema"] for line in lines} == {"zparkctl.status/1"}


def test_a_terminal_is_drawn_over(central: Central) -> None:
    ours, theirs = pty.openpty()
    with central.daemon(told), watching(central, stdout=theirs) as process:
        os.close(theirs)
        text = read_until(ours, "0 events", "\x1b[H\x1b[J", "1 event,", "\x1b[H\x1b[J", "2 events")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    os.close(ours)
    assert text.startswith("\x1b[H\x1b[J")


def test_piped_it_has_no_control_characters(central: Central) -> None:
    with central.daemon(told), watching(central) as process:
        assert process.stdout is not None
        text = read_until(process.stdout, "0 events", "\n\n", "2 events")
        process.send_signal(signal.SIGINT)
        process.wait(20)
    assert "\x1b" not in text


def test_a_daemon_that_goes_and_comes_back_is_shown(central: Central) -> None:
    with watching_after_start(central) as process:
        assert process.stdout is not None
        read_until(process.stdout, "zparkd can't be reached")
        with central.daemon(told):
            read_until(process.stdout, "central-1 of site lot-a")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def watching_after_start(central: Central) -> "subprocess.Popen[bytes]":
    """Watching a daemon that is gone again."""
    with central.daemon(told):
        process = watching(central)
        assert process.stdout is not None
        read_until(process.stdout, "0 events")
    central.control.unlink(missing_ok=True)
    return process


def test_no_daemon_at_first_exits_69(central: Central) -> None:
    assert central.run("status", "--watch").exit_code == 69


@pytest.mark.parametrize("interval", ["0", "-1", "often"])
def test_a_wrong_interval_exits_2(central: Central, interval: str) -> None:
    assert central.run("status", "--watch", "--interval", interval).exit_code == 2
