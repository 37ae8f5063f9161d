"""Where the log goes, and what stands in it: a real daemon, and a real socket for its journal."""

import os
import pty
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from zparkd.logs.messages import Message
from zparkd.logs.sink import Journal, datagram, trace
from zparkd.testbed.loopback import LoopbackCentral, wait_for

Entry = dict[str, str]
PLATE = "29A12345"
POISON = "66X66666"
KEY = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
ROOT = Path(__file__).resolve().parents[2]

# A daemon whose journal is ours, and whose gate breaks over one plate.
DAEMON = """
import sys
from pathlib import Path
from zparkd.core.central import Central
from zparkd.daemon import main
from zparkd.logs import sink

answer = Central.answer

def explode(self, now, asked):
    answered = answer(self, now, asked)
    if b"POISON" in asked.body:
        raise KeyError(f"no lane for {asked.body!r}")
    return answered

Central.answer = explode
sink.JOURNAL = Path(sys.argv.pop(1))
main.main()
""".replace("POISON", POISON)

SAY = """
from zparkd.logs.sink import start_log
from zparkd.logs.messages import Message, say
start_log()
say(Message.PEER_LOST, peer="central-2\\nforged")
try:
    {}["29A12345"]
except KeyError as fault:
    say(Message.TURN_FAILED, fault)
"""


def parsed(data: bytes) -> Entry:
    """The fields of an entry as journald reads them; a line that it would not take is a fault."""
    entry: Entry = {}
    while data:
        line, _, data = data.partition(b"\n")
        key, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack("<Q", data[:8])
            value, end, data = data[8 : 8 + size], data[8 + size : 9 + size], data[9 + size :]
            assert end == b"\n"
        assert key.decode() not in entry
        entry[key.decode()] = value.decode()
    return entry


class Journald:
    """The other end of the socket; `entries` is all that came."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(0.02)
        self.entries: list[Entry] = []

    def read(self) -> list[Entry]:
        """Take all that is there."""
        while True:
            try:
                self.entries.append(parsed(self.socket.recv(1 << 20)))
            except TimeoutError:
                return self.entries

    def of(self, message: Message) -> list[Entry]:
        """The entries of one message."""
        return [entry for entry in self.read() if entry.get("MESSAGE_ID") == message.value.id]

    def wait(self, message: Message, count: int = 1) -> list[Entry]:
        """The entries of one message, once there are so many."""
        wait_for(message.name, lambda: len(self.of(message)) >= count)
        return self.of(message)


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: a socket's path has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="zp-") as name:
        yield Path(name)


@pytest.fixture
def journald(folder: Path) -> Iterator[Journald]:
    made = Journald(folder / "journal")
    with made.socket:
        yield made


class Service:
    """A daemon run as systemd runs one: standard error is the stream that it was told of."""

    def __init__(self, central: LoopbackCentral, journal: Path) -> None:
        self.stderr, theirs = os.pipe()
        stat = os.fstat(theirs)
        self.process = subprocess.Popen(
            [sys.executable, "-c", DAEMON, str(journal), "-c", str(central.config)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stderr=theirs,
            env=os.environ | {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"},
        )
        os.close(theirs)

    def end(self) -> str:
        """Stop it; what it wrote to standard error."""
        self.process.terminate()
        self.process.wait(20)
        with open(self.stderr) as rest:
            return rest.read()


@pytest.fixture
def central(folder: Path) -> LoopbackCentral:
    return LoopbackCentral(folder / "central-1", "central-1")


@pytest.fixture
def service(central: LoopbackCentral, journald: Journald) -> Iterator[Service]:
    made = Service(central, journald.path)
    yield made
    made.process.kill()
    made.process.wait()


# --- a daemon, and its journal


def test_every_vehicle_can_be_found_by_its_plate_and_event_id(
    central: LoopbackCentral, service: Service, journald: Journald
) -> None:
    journald.wait(Message.READY)
    with central.edge("edge-1") as camera:
        camera.detect("29A-123.45", direction="ENTRY")
        opened = camera.open_barrier("29A-123.45", direction="ENTRY")
        camera.close_barrier()
        left = camera.open_barrier("29A-123.45", direction="EXIT")
        camera.request("BARRIER_OPEN", {"force": True, "reason": "fire engine"})
    (entry,) = journald.wait(Message.VEHICLE_IN)
    assert entry == {
        "MESSAGE": f"{PLATE} (car) in at edge-1: {opened['event_id']}",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "zparkd",
        "MESSAGE_ID": Message.VEHICLE_IN.value.id,
        "PLATE": PLATE,
        "CAMERA_TYPE": "car",
        "EVENT_ID": opened["event_id"],
        "EDGE": "edge-1",
    }
    (confirmed,) = journald.wait(Message.VEHICLE_CONFIRMED)
    (out,) = journald.wait(Message.VEHICLE_OUT)
    (by_hand,) = journald.wait(Message.OPENED_BY_HAND)
    assert confirmed["EVENT_ID"] == out["EVENT_ID"] == left["event_id"] == opened["event_id"]
    assert [out["PLATE"], out["FEE"], out["CURRENCY"]] == [PLATE, "25000", "VND"]
    assert by_hand["EDGE"] == "edge-1"
    assert "PLATE" not in by_hand
    assert (
        by_hand["MESSAGE"] == "edge-1 opened by hand, no plate given, by edge edge-1: fire engine"
    )
    assert by_hand["REASON"] == "fire engine"
    assert service.end() == "", "all of it went to the journal"
    journald.wait(Message.STOPPED)


def test_a_traceback_is_one_entry_and_names_no_plate(
    central: LoopbackCentral, service: Service, journald: Journald
) -> None:
    journald.wait(Message.READY)
    with central.edge("edge-1") as camera:
        assert not camera.open_barrier(POISON, direction="ENTRY")["success"]
        assert camera.open_barrier(PLATE, direction="ENTRY")["success"]
    failed = journald.wait(Message.TURN_FAILED)[0]
    first, *frames, last = failed["MESSAGE"].splitlines()
    assert first == Message.TURN_FAILED.value.text
    assert failed["PRIORITY"] == "3"
    assert any('File "' in frame and "in explode" in frame for frame in frames)
    assert last.startswith("KeyError: ")
    journald.wait(Message.VEHICLE_IN)
    service.end()
    for entry in journald.read():
        assert POISON not in str(entry)
        if entry["MESSAGE_ID"] != Message.VEHICLE_IN.value.id:
            assert PLATE not in str(entry)


def test_what_is_wrong_with_a_configuration_is_an_error_of_the_journal(
    central: LoopbackCentral, journald: Journald
) -> None:
    central.config.write_text('[central]\nid = "central-1"\n')
    service = Service(central, journald.path)
    assert service.process.wait(20) == 78
    lines = service.end().splitlines()
    assert lines
    assert all(line.startswith(f"<3>{central.config}:") for line in lines)
    (entry,) = journald.wait(Message.NOT_STARTED)
    assert (entry["PRIORITY"], entry["CODE"]) == ("3", "78")


def test_a_journal_that_is_gone_disturbs_nobody_and_lines_go_to_standard_error(
    central: LoopbackCentral, service: Service, journald: Journald
) -> None:
    journald.wait(Message.READY)
    journald.socket.close()
    journald.path.unlink()
    with central.edge("edge-1") as camera:
        opened = camera.open_barrier(PLATE, direction="ENTRY")
    assert opened["success"]
    assert f"{PLATE} (car) in at edge-1: {opened['event_id']}" in service.end()
    assert service.process.returncode == 0


# --- without a journal


def test_without_a_journal_there_are_plain_lines(central: LoopbackCentral) -> None:
    central.start()
    with central.edge("edge-1") as camera:
        opened = camera.open_barrier(PLATE, direction="ENTRY")
    assert central.stop() == 0
    lines = central.log.read_text().splitlines()
    assert f"INFO     {PLATE} (car) in at edge-1: {opened['event_id']}" in "\n".join(lines)
    assert [line[24:33] for line in lines] == ["INFO     "] * len(lines)
    assert "\x1b" not in "".join(lines)
    central.config.write_text("[central]\n")
    central.log.write_text("")
    central.launch()
    assert central.process is not None
    assert central.process.wait(20) == 78
    assert central.log.read_text().startswith(f"{central.config}:")


def said(stderr: int, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SAY],
        stderr=stderr,
        cwd=ROOT,
        text=True,
        env=os.environ | environment,
    )


def test_what_a_peer_sent_begins_no_line_and_a_traceback_tells_no_plate() -> None:
    process = said(subprocess.PIPE, JOURNAL_STREAM="1:1")
    text = process.communicate(timeout=20)[1]
    lost, failed, *frames, last = text.splitlines()
    assert lost.endswith(
        "WARNING  central-2\N{REPLACEMENT CHARACTER}forged is no longer heard;"
        " what it misses is kept for it"
    )
    assert failed.endswith("ERROR    a turn failed and was undone")
    assert frames[0] == "Traceback (most recent call last):"
    assert last == "KeyError: '…'"


@pytest.mark.parametrize(("no_color", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_there_is_colour_on_a_terminal_alone(no_color: dict[str, str], coloured: bool) -> None:
    ours, theirs = pty.openpty()
    process = said(theirs, **no_color)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait(20) == 0
    assert b"central-2" in text
    assert (b"\x1b[" in text) is coloured


# --- the journal alone


def test_a_journal_that_does_not_listen_holds_nobody_up_for_long(journald: Journald) -> None:
    journal = Journal(journald.path)
    began = time.monotonic()
    sent = 0
    while journal.tell("x" * 1000, "INFO", {}):
        sent += 1
    for _ in range(1000):
        journal.tell("lost at once", "INFO", {})
    assert time.monotonic() - began < 5, "patience is for one entry a second, not for each"
    journald.read()

    wait_for("the journal is tried again", lambda: journal.tell("back", "INFO", {}))
    (lines_lost,) = journald.of(Message.LINES_LOST)
    assert lines_lost["PRIORITY"] == "4"
    assert int(lines_lost["COUNT"]) >= 1001
    assert journald.entries[-1]["MESSAGE"] == "back"


@pytest.mark.parametrize(
    ("level", "priority"),
    [("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3), ("CRITICAL", 2), ("OWN", 7)],
)
def test_the_priority_follows_from_the_level(level: str, priority: int) -> None:
    assert parsed(datagram("x", level, {}))["PRIORITY"] == str(priority)


def test_fields_get_names_and_values_that_the_journal_takes() -> None:
    more = {"peer": "central-2", "_PID": "1", "1ST": "x", "bad-name": "x", "none": None, "n": 5}
    entry = parsed(datagram("giờ\nphút", "INFO", {**more, "text": "a\n=b", "L" * 65: "x"}))
    assert entry == {
        "MESSAGE": "giờ\nphút",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "zparkd",
        "PEER": "central-2",
        "N": "5",
        "TEXT": "a\n=b",
    }


def test_a_text_of_any_size_can_be_sent(journald: Journald) -> None:
    Journal(journald.path).tell("begin" + "ộ" * 500_000 + "end", "ERROR", {})
    journald.socket.settimeout(5)
    text = journald.socket.recv(1 << 20)
    assert b"begin" in text
    assert b"end" in text
    assert len(text) < 64 * 1024


def broken(plate: str) -> BaseException:
    def deep(key: str) -> None:
        raise ValueError(f"{key}: {KEY} is no key")

    try:
        try:
            deep(plate)
        except ValueError as fault:
            dashed = f"{plate[:3]}-{plate[3:6]}.{plate[6:]}"
            raise RuntimeError(f"the second for {dashed}, not {plate.lower()}") from fault
    except RuntimeError as fault:
        return fault


def test_a_traceback_keeps_what_is_of_use_and_nothing_of_persons() -> None:
    text = trace(broken(PLATE))
    for part in ("RuntimeError: the second for", "ValueError", "in deep", "is no key"):
        assert part in text
    for part in (KEY[:8], PLATE, PLATE.lower(), "29A", "123"):
        assert part not in text


def test_lines_on_standard_error_say_the_time_of_the_site() -> None:
    code = (
        "from zoneinfo import ZoneInfo\n"
        "from zparkd.logs.sink import put, show_times_in, start_log\n"
        "from zparkd.logs.messages import Message, say\n"
        "start_log()\n"
        "show_times_in(ZoneInfo('Pacific/Kiritimati'))\n"
        "say(Message.READY)\n"
        "put([(Message.READY, {})])\n"
    )
    began = datetime.now(ZoneInfo("Pacific/Kiritimati")).replace(tzinfo=None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TZ": "America/Denver"},
    )
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    for line in lines:
        shown = datetime.fromisoformat(line[:23])
        assert timedelta(seconds=-1) <= shown - began < timedelta(minutes=5), line
