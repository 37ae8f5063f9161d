"""The files of a simulated machine: a database, its log of commits, and the mark, on a disk.

In a folder in memory, but written as to a disk (`tests.sim.vfs`): a power cut leaves what was
synced, and some of the rest.
"""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.sim.vfs import disks
from zparkd.storage import commit_record

FLIPPED = 3  # bytes, where a disk rots
PAGE = 4_096


class Found(NamedTuple):
    """What is on the disk of a machine that is off, as SQLite and the mark say it.

    `damage` is what SQLite finds wrong with the database. `marked` is the newest event of its own
    that the mark beside it knows of, as epoch and seq, `held` how much is here of that epoch;
    None where the mark is of another database, or there is none. `was` and `is_here` are the same
    of what this very database held, which is less where it is an older copy.
    """

    damage: str | None
    marked: tuple[int, int] | None = None
    held: int = 0
    was: tuple[int, int] | None = None
    is_here: int = 0


class Files:
    """What is in the folder of one machine."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.path = folder / "zparkd.db"
        self.folder = disks().watch(folder)
        self._others: list[sqlite3.Connection] = []
        self._mark: bytes | None = None

    def marked(self) -> tuple[str, tuple[int, int], tuple[int, int]] | None:
        """What the mark says: of which database, and its newest event as epoch and seq.

        Then the newest that this very database held.
        """
        try:
            words = commit_record.path_of(self.path).read_text().split()
        except OSError:
            return None
        if len(words) not in (6, 8):
            return None
        newest, *copied = zip(map(int, words[3::3]), map(int, words[4::3]), strict=True)
        return words[2], newest, copied[0] if copied else newest

    def opened(self) -> None:
        """The database is in use: what its mark says now is on the disk, what comes may not be."""
        self._mark = commit_record.path_of(self.path).read_bytes()

    def look(self, central: str) -> Found:
        """Look at a copy, so that nothing is touched."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy.db"
            for end in ("", "-wal"):
                path = self.path.with_name(f"{self.path.name}{end}")
                if path.exists():
                    copy.with_name(f"copy.db{end}").write_bytes(path.read_bytes())
            with closing(sqlite3.connect(copy)) as connection:
                try:
                    return self._found(connection, central)
                except (sqlite3.DatabaseError, UnicodeDecodeError) as fault:
                    return Found(str(fault))

    def _found(self, connection: sqlite3.Connection, central: str) -> Found:
        said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
            return Found(said)
        (identity,) = connection.execute("SELECT value FROM meta WHERE key='database'").fetchone()
        mark = self.marked()
        if mark is None or mark[0] != identity:
            return Found(None)
        heads = dict(
            connection.execute("SELECT epoch, head FROM streams WHERE origin=?", (central,))
        )
        _, newest, was = mark
        return Found(None, newest, heads.get(newest[0], 0), was, heads.get(was[0], 0))

    def put(self, image: bytes) -> None:
        """The database becomes this one; the mark of the last stays, as beside a restored copy."""
        self.clear()
        self.path.write_bytes(image)

    def clear(self) -> None:
        """The database is moved away, log and all."""
        for name in ("", "-wal", "-shm"):
            self.path.with_name(f"{self.path.name}{name}").unlink(missing_ok=True)
        self.folder.unsynced.clear()

    def power_cut(self, disk: Any, chance: Random) -> None:
        """The machine is off, in the middle of whatever it did."""
        self.unlock()
        log, note = self.path.with_name(f"{self.path.name}-wal"), commit_record.path_of(self.path)
        files = {path: path.read_bytes() for path in (self.path, log, note) if path.exists()}
        unsynced = dict(self.folder.unsynced)
        self.folder.fault = self.folder.sync_fault = 0
        disk.close()  # which would make a tidy end
        self.clear()
        for path, data in files.items():
            path.write_bytes(data)
        self.folder.unsynced = unsynced
        self.folder.crash(chance)
        if self._mark is not None and chance.random() < 0.3:
            note.write_bytes(self._mark)  # nobody waited for it

    def lock(self) -> None:
        """Another process writes to the database, if it can, until `unlock`."""
        other = sqlite3.connect(self.path, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            other.close()
        else:
            self._others.append(other)

    def unlock(self) -> None:
        """It is done."""
        while self._others:
            self._others.pop().close()

    def flip(self, chance: Random) -> None:
        """Some bytes of the database, or of its log of commits, become others."""
        log = self.path.with_name(f"{self.path.name}-wal")
        path = chance.choice([self.path, log])
        if not path.exists() or not path.stat().st_size:
            path = self.path
        if not path.exists():
            return  # it never ran
        data = bytearray(path.read_bytes())
        for _ in range(FLIPPED):
            at = chance.randrange(len(data))
            if chance.random() < 0.5:
                at = at - at % PAGE + chance.randrange(12)  # what says how a page is made
            data[min(at, len(data) - 1)] ^= chance.randrange(1, 256)
        path.write_bytes(data)
