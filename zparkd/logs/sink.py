"""The program log: one readable line an entry on standard error, or the journal of systemd.

What is said is decided in `messages`; here only where it goes and how it looks. Run by systemd,
each entry is one datagram of journald's own protocol, so that its level, id and fields can be
searched for. Tracebacks hold no variables, and no number or name that a plate or key could be.
"""

import functools
import os
import re
import socket
import struct
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from zparkd.logs.messages import Message

if TYPE_CHECKING:
    import loguru

JOURNAL = Path("/run/systemd/journal/socket")
IDENTIFIER = b"zparkd"

_LINE = "{extra[when]} <level>{level: <8}</level> {message}{extra[trace]}\n"
# What syslog.h calls them.
_PRIORITY = {"CRITICAL": 2, "ERROR": 3, "WARNING": 4, "SUCCESS": 5, "INFO": 6}
_DEBUG = 7
_FIELD = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_TELLING = re.compile(r"\S{40,}|\b(?=\w*\d)\w{3,}\b")
_TEXT_BYTES = 48 * 1024  # of one field; the socket takes some 200 KiB, and nobody reads as much
_PATIENCE_S = 0.1  # with a journal whose queue is full: the loop must turn
_RETRY_S = 1.0  # after the journal did not take an entry in time

_journal: "Journal | None" = None
_zone: tzinfo | None = None  # None: the machine's own


def start_log() -> None:
    """Send the log of this process to the journal or to standard error."""
    global _journal  # noqa: PLW0603 # a process has one log
    logger.remove()
    _journal = Journal(JOURNAL) if in_journal() and JOURNAL.exists() else None
    logger.add(
        _journal or sys.stderr,
        format="{message}" if _journal else _line,
        level="INFO",
        colorize=sys.stderr.isatty() and "NO_COLOR" not in os.environ,
        backtrace=False,
        diagnose=False,
    )


def show_times_in(zone: tzinfo) -> None:
    """Have lines on standard error say the time of the site; the journal has a clock of its own."""
    global _zone  # noqa: PLW0603 # a process has one log
    _zone = zone


def _time(when: datetime) -> str:
    return f"{_second(int(when.timestamp()), _zone)}.{when.microsecond // 1000:03d}"


@functools.lru_cache(maxsize=8)
def _second(s: int, zone: tzinfo | None) -> str:
    return datetime.fromtimestamp(s, UTC).astimezone(zone).replace(tzinfo=None).isoformat(" ")


def in_journal() -> bool:
    """Whether standard error goes to the journal: systemd names the stream it gave us."""
    try:
        held = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{held.st_dev}:{held.st_ino}"


def complain(line: str) -> None:
    """Say why this process ends at its start: the line as it is, for the journal as an error."""
    print(f"<{_PRIORITY['ERROR']}>{line}" if in_journal() else line, file=sys.stderr)


def put(entries: Iterable[tuple[Message, Mapping[str, object]]]) -> None:
    """Log many messages at once, past loguru, which would take several times as long."""
    when = _time(datetime.now(UTC)) if _journal is None else ""
    lines = []
    with suppress(OSError):  # a log that can't be written is no reason to stop
        for message, fields in entries:
            id, level, text = message.value
            text = text.format_map(fields)
            text += _told(fields)
            if _journal is not None:
                _journal.tell(text, level, {"message_id": id, **fields})
            else:
                lines.append(f"{when} {level: <8} {text}\n")
        sys.stderr.write("".join(lines))
        sys.stderr.flush()


def _told(fields: Mapping[str, object]) -> str:
    """Who did it, and why, where that is said of an act of a person; in one line."""
    text = ", by force" if fields.get("forced") else ""
    if "by" in fields:
        text += f", by {fields['by']}"
    if "reason" in fields:
        text += f": {fields['reason']}"
    if not text.isprintable():
        text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return text


def trace(fault: BaseException) -> str:
    """The traceback of an exception; of what it says, all that could be a plate or key is cut."""
    parts = traceback.TracebackException.from_exception(fault).format()
    return "".join(
        part if part.startswith('  File "') else _TELLING.sub("…", part) for part in parts
    ).rstrip()


def _line(record: "loguru.Record") -> str:
    fault = record["exception"]
    record["extra"]["when"] = _time(record["time"])
    record["extra"]["trace"] = f"\n{trace(fault.value)}" if fault and fault.value else ""
    return _LINE


class Journal:
    """A sink of loguru that speaks journald's own protocol."""

    def __init__(self, path: Path) -> None:
        """`path` is the socket of journald."""
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(_PATIENCE_S)
        self._lost = 0
        self._retry_at_s = 0.0

    def write(self, message: "loguru.Message") -> None:
        """What loguru calls."""
        record = message.record
        fault = record["exception"]
        text = record["message"]
        if fault is not None and fault.value is not None:
            text = f"{text}\n{trace(fault.value)}"
        self.tell(text, record["level"].name, record["extra"])

    def tell(self, text: str, level: str, more: Mapping[str, object]) -> bool:
        """Send an entry; False where it is lost.

        A journal that does not take one in time loses it, and the next ones.
        """
        if self._lost and time.monotonic() < self._retry_at_s:
            self._lost += 1
            return False
        try:
            if self._lost:
                id, of, lost = Message.LINES_LOST.value
                fields = {"message_id": id, "count": self._lost}
                self._send(datagram(lost.format_map(fields), of, fields))
                self._lost = 0
            self._send(datagram(text, level, more))
        except TimeoutError:
            self._lost += 1
            self._retry_at_s = time.monotonic() + _RETRY_S
            return False
        except OSError:
            print(text, file=sys.stderr)  # a stream to the journal too, but without the fields
        return True

    def _send(self, data: bytes) -> None:
        self._socket.sendto(data, self._path)


def datagram(text: str, level: str, more: Mapping[str, object]) -> bytes:
    """One entry as journald takes it; fields whose names it would not take are left out."""
    parts = [
        _field(b"MESSAGE", text),
        b"PRIORITY=%d\nSYSLOG_IDENTIFIER=%b\n" % (_PRIORITY.get(level, _DEBUG), IDENTIFIER),
    ]
    for name, value in more.items():
        key = _key(name)
        if key is not None and value is not None:
            parts.append(_field(key, str(value)))
    return b"".join(parts)


@functools.cache
def _key(name: str) -> bytes | None:
    """The name of a field as journald takes it; None for one that it would not take."""
    upper = name.upper()
    return upper.encode() if _FIELD.fullmatch(upper) else None


def _field(key: bytes, text: str) -> bytes:
    value = text.encode(errors="replace")
    if len(value) > _TEXT_BYTES:  # both ends: the last lines of a traceback say what it was
        value = value[: _TEXT_BYTES // 2] + b"\n...\n" + value[-_TEXT_BYTES // 2 :]
    if b"\n" not in value:
        return b"%b=%b\n" % (key, value)
    return b"%b\n%b%b\n" % (key, struct.pack("<Q", len(value)), value)
