"""The files of a simulated machine: a database, its log of commits, and the mark, on a disk.

In a folder in memory, but written as to a disk (`tests.sim.vfs`): a power cut leaves what was
synced, and some of the rest.
"""

import sqlite3
from pathlib import Path
from random import Random
from typing import Any

from tests.sim.vfs import disks
from zparkd.storage import commit_record

FLIPPED = 3  # bytes, where a disk rots
PAGE = 4_096


class Files:
    """What is in the folder of one machine."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.path = folder / "zparkd.db"
        self.folder = disks().watch(folder)
        self._others: list[sqlite3.Connection] = []
        self._mark: bytes | None = None

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
        self._mark = files.get(note)

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
        """Some bytes of the database become others."""
        if not self.path.exists():
            return  # it never ran
        data = bytearray(self.path.read_bytes())
        for _ in range(FLIPPED):
            at = chance.randrange(len(data))
            data[at] ^= chance.randrange(1, 256)
        self.path.write_bytes(data)
