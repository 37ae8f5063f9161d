"""How a daemon starts, refuses to start, and stops: exit codes and what is said."""

import re
import socket
from signal import SIGHUP, SIGINT, SIGTERM

import orjson
import pytest
import zmq

from tests.support.harness import PATIENCE_S, alive, ask, enter, rows, wait_events, zparkctl, zparkd
from zparkd.testbed.loopback import LoopbackCentral

FAULT = re.compile(r"(?P<file>[^:\n]+):(?P<line>\d+): (?P<key>[^:]+): (?P<text>[^;]+; .+)")


def faults(text: str) -> dict[str, tuple[str, int]]:
    """The faults on standard error, by key: file name and line."""
    found = {}
    for line in text.splitlines():
        match = FAULT.fullmatch(line)
        assert match, line
        found[match["key"]] = (match["file"].rsplit("/", 1)[-1], int(match["line"]))
    return found


def line_of(central: LoopbackCentral, text: str) -> int:
    lines = central.config.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def change(central: LoopbackCentral, old: str, new: str) -> None:
    text = central.config.read_text()
    assert old in text
    central.config.write_text(text.replace(old, new))


def test_bad_configuration_exits_78_with_all_faults_one_a_line(make_central) -> None:
    central = make_central()
    change(central, 'id = "central-1"', 'id = "Central 1"')
    change(central, "edge_port", "edge_prot")
    (central.folder / "peers.d" / "central-2.toml").write_text('id = "central-2"\nadress = "x"\n')
    (central.folder / "edges.d" / "in.toml").write_text('id = "in"\ndirection = "SIDEWAYS"\n')
    ended = zparkd(central.config)
    assert (ended.returncode, ended.stdout) == (78, "")
    said = faults(ended.stderr)
    assert said["central.id"] == ("zparkd.toml", 2)
    assert said["listen.edge_prot"] == ("zparkd.toml", line_of(central, "edge_prot"))
    assert "edge_port" in ended.stderr, "the nearest known key"
    assert said["adress"] == ("central-2.toml", 2)
    assert said["direction"] == ("in.toml", 2)
    assert not central.database.exists()


def test_missing_configuration_exits_78_naming_line_0(make_central) -> None:
    central = make_central()
    central.config.unlink()
    ended = zparkd(central.config)
    assert ended.returncode == 78
    assert f"{central.config}:0: " in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("central.id", 'id = "central-1"', 'id = "central-7"'),
        ("central.site", 'site = "lot-a"', 'site = "lot-b"'),
    ],
)
def test_database_of_another_central_or_site_exits_78_and_stays_as_it_was(
    make_central, key, old, new
) -> None:
    central = make_central()
    central.start()
    enter(central, "29A12345")
    assert central.stop() == 0
    before = rows(central)
    change(central, old, new)
    ended = zparkd(central.config)
    assert ended.returncode == 78
    assert key in faults_in_log(ended.stderr)
    change(central, new, old)
    central.start()
    assert rows(central) == before


def faults_in_log(text: str) -> dict[str, str]:
    """The faults on standard error by key, among lines of the log."""
    found = [FAULT.fullmatch(line) for line in text.splitlines()]
    return {match["key"]: match["text"] for match in found if match}


def test_second_daemon_on_one_database_exits_1_naming_the_pid_of_the_first(make_central) -> None:
    first: LoopbackCentral = make_central()
    first.start()
    second: LoopbackCentral = make_central()
    change(second, '"zparkd.db"', f'"{first.database}"')
    ended = zparkd(second.config)
    assert ended.returncode == 1
    assert first.process is not None
    assert re.search(rf"\b{first.process.pid}\b", ended.stderr)
    assert str(first.database) in ended.stderr
    enter(first, "29A12345")
    assert first.status()["events"] == 2
    again = zparkd(second.config)
    assert again.returncode == 1
    assert re.search(rf"\b{first.process.pid}\b", again.stderr)
    first.kill()
    second.start()
    assert [row["plate_id"] for row in rows(first)] == ["29A12345"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_port_in_use_exits_1_naming_it_and_its_key(make_central, number) -> None:
    central: LoopbackCentral = make_central()
    with socket.socket() as other:
        other.bind(("127.0.0.1", central.ports[number]))
        other.listen()
        ended = zparkd(central.config)
    assert ended.returncode == 1
    key = ("bus_port", "sync_port", "edge_port")[number]
    assert f"listen.{key}" in ended.stderr
    assert str(central.ports[number]) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_second_daemon_does_not_take_the_control_socket_of_the_first(make_central) -> None:
    first: LoopbackCentral = make_central()
    first.start()
    second: LoopbackCentral = make_central("central-2")
    change(second, '"control.sock"', f'"{first.folder / "control.sock"}"')
    ended = zparkd(second.config)
    assert ended.returncode == 1
    assert "listen.control" in ended.stderr
    assert first.status()["this_central"] == "central-1"


@pytest.mark.parametrize("signal", [SIGTERM, SIGINT])
def test_a_stop_signal_ends_it_cleanly_with_exit_0(make_central, signal) -> None:
    central: LoopbackCentral = make_central()
    central.start()
    enter(central, "29A12345")
    central.signal(signal)
    assert central.process is not None
    assert central.process.wait(20) == 0
    central.process = None
    assert "Traceback" not in central.log.read_text()
    assert not (central.folder / "control.sock").exists()
    central.start()
    wait_events([central], 2)


def test_a_killed_daemon_starts_again_by_itself(make_central) -> None:
    central: LoopbackCentral = make_central()
    for number in range(3):
        central.start()
        enter(central, f"29A0000{number}")
        central.kill()
    central.start()
    wait_events([central], 6)


def test_zparkctl_exits_69_saying_how_to_start_when_the_daemon_is_down(make_central) -> None:
    central: LoopbackCentral = make_central()
    for _ in range(2):
        ended = zparkctl(central.config, "status")
        assert ended.returncode == 69
        assert "zparkd -c" in ended.stderr
        assert ended.stdout == ""
        central.start()
        assert zparkctl(central.config, "status").returncode == 0
        central.kill()


def test_junk_on_the_control_socket_ends_nothing(make_central) -> None:
    central: LoopbackCentral = make_central()
    central.start()
    for junk in (
        b"",
        b"\xff\xfe",
        b"[1]",
        b"null",
        b"{}",
        b'{"id":1}',
        b'{"v":1,"id":' + b"[" * 500 + b"]" * 500 + b',"command":"status"}',
        b'{"v":1,"id":{"a":[1.5e300]},"command":["status"]}',
        b'{"v":1,"id":1,"command":"reload","command":{}}',
    ):
        answer = control(central, junk)
        assert "success" in answer, junk
        assert alive(central)
    assert central.status()["running"] is True


def control(central: LoopbackCentral, body: bytes) -> dict[str, object]:
    """Send one frame to the control socket; what is answered."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as sender:
        sender.linger = 0
        sender.connect(f"ipc://{central.folder / 'control.sock'}")
        sender.send_multipart([b"", body])
        assert sender.poll(PATIENCE_S * 1000), body[:80]
        answer: dict[str, object] = orjson.loads(sender.recv_multipart()[1])
        return answer


def test_sighup_at_any_time_is_no_end(make_central) -> None:
    central: LoopbackCentral = make_central()
    central.start()
    for _ in range(20):
        central.signal(SIGHUP)
        assert ask(central, "gate", "PING")["success"] is True
    assert alive(central)
