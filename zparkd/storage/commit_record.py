"""The mark beside a database: what was committed last, as this run and the ones before saw it.

SQLite can't tell a whole database from one that is an older copy, or whose write-ahead log has
lost its end: each is in order as far as it goes. The mark can. It is written after each commit
and never waited for, so it can be older than the database, but never newer than what was once
committed: where it says more than the database holds, events are gone.

Beside an older copy that was put back, `zparkctl restore` or not, it says more until all is back.
So it says two things then: how far this central once was, and how far this database was when it
was last in use. What the first has and the second has not, its log of commits never held.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_BYTES = 128
_LINE = re.compile(
    rb"zparkd-mark 1 ([0-9a-f]{32}) (\d{1,16}) (\d{1,13}) (running|stopped)"
    rb"(?: (\d{1,16}) (\d{1,13}))? *\n"
)
_LAST = {True: "stopped", False: "running"}


class Said(NamedTuple):
    """What a mark says: of which database, our newest event in it, and whether we stopped well.

    `epoch` and `seq` are 0 where nothing of this central was recorded yet. `copied` is the newest
    event in an older copy that has not caught up, as epoch and seq; None where it is that one.
    """

    database: str
    epoch: int
    seq: int
    stopped: bool
    copied: tuple[int, int] | None = None

    @property
    def newest(self) -> tuple[int, int]:
        """Epoch and seq of our newest event that was committed."""
        return self.epoch, self.seq

    @property
    def held(self) -> tuple[int, int]:
        """The same, of those that were committed to this very database."""
        return self.newest if self.copied is None else self.copied

    def and_holds(self, epoch: int, seq: int) -> "Said":
        """The same, and this event of ours is in the database."""
        held = max(self.held, (epoch, seq))
        newest = max(self.newest, held)
        behind = held if held < newest else None
        return self._replace(epoch=newest[0], seq=newest[1], copied=behind)


def path_of(database: Path) -> Path:
    """Where the mark of a database is."""
    return database.with_name(f"{database.name}.mark")


def read_mark(database: Path) -> Said | None:
    """What the last run left; None where there is no mark, or none that can be read."""
    try:
        found = _LINE.fullmatch(path_of(database).read_bytes())
    except OSError:
        return None
    if found is None:
        return None
    copied = (int(found[5]), int(found[6])) if found[5] is not None else None
    return Said(found[1].decode(), int(found[2]), int(found[3]), found[4] == b"stopped", copied)


class Mark:
    """The mark of a database in use."""

    def __init__(self, database: Path, said: Said) -> None:
        """Begin with what is known. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(path_of(database), flags, 0o640)
        self._said = said
        self._write(said)
        os.ftruncate(self._descriptor, _BYTES)
        os.fsync(self._descriptor)

    def committed(self, epoch: int, seq: int) -> None:
        """This event of ours is on the disk. A mark that can't be written is an older one."""
        said = self._said.and_holds(epoch, seq)
        if said != self._said:
            with suppress(OSError):  # what is committed stays so, whatever becomes of its mark
                self._write(said)

    def stopped(self) -> None:
        """The daemon ends in good order."""
        with suppress(OSError):
            self._write(self._said._replace(stopped=True))

    def close(self) -> None:
        """Let the file go."""
        os.close(self._descriptor)

    def _write(self, said: Said) -> None:
        self._said = said
        line = f"zparkd-mark 1 {said.database} {said.epoch} {said.seq} {_LAST[said.stopped]}"
        if said.copied is not None:
            line += f" {said.copied[0]} {said.copied[1]}"
        os.pwrite(self._descriptor, f"{line:<{_BYTES - 1}}\n".encode(), 0)
