"""The file of the database: held by one daemon alone, of one central, told from any other file.

It is looked at and brought to the form of this version before it is used, and what is committed
to it is noted beside it.
"""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from zparkd.core.events.event import Stream
from zparkd.core.events.heads import HeadVector
from zparkd.storage import integrity
from zparkd.storage.commit_record import Mark, Said, read_mark
from zparkd.storage.schema.migrations import migrate
from zparkd.storage.schema.moving import Told

_IN_MEMORY = Path(":memory:")
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 250",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA secure_delete = ON",
)


class DatabaseBusy(Exception):
    """Another daemon has the database. The text names its pid."""


class NotOurs(Exception):
    """The database belongs to another central or site: `key` says which of them differs."""

    def __init__(self, key: str, theirs: str, ours: str) -> None:
        super().__init__(
            f"the database belongs to {key} {theirs!r}, not {ours!r};"
            f" write {theirs!r} or name another file in storage.path"
        )
        self.key = f"central.{key}"


class DatabaseFile:
    """The database of one central, open for writing over `connection`.

    `replaced` is whether it is another one than the one that was used here before.
    """

    def __init__(self, path: Path, central_id: str, site: str, told: Told | None = None) -> None:
        """Open it, made or migrated where needed: see `Store`."""
        self.path = path
        self._central = central_id
        self._lock = None if path == _IN_MEMORY else lock(path)
        self._mark: Mark | None = None
        self.replaced = False
        said = read_mark(path)
        self.connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
        try:
            # First: what is damaged or not ours is refused as it is.
            self._lost = integrity.look(self.connection, path, central_id, said)
            migrate(self.connection, told)
            for pragma in _PRAGMAS:
                self.connection.execute(pragma)
            remember(self.connection, central_id, site)
            if path != _IN_MEMORY:  # before all else is written: see Said.copied
                self._mark = Mark(path, self._said_from(said))
                self._identity = identity(path)
        except BaseException:
            self.close()
            raise

    def _said_from(self, said: Said | None) -> Said:
        """The mark to begin with: what an earlier one says goes on counting for this database."""
        run = self.connection.execute
        (database,) = run("SELECT value FROM meta WHERE key = 'database'").fetchone()
        own = run(
            "SELECT epoch, head FROM streams WHERE origin = ? ORDER BY epoch DESC LIMIT 1",
            (self._central,),
        ).fetchone()
        here = own or (0, 0)
        self.replaced = said is not None and said.database != database
        epoch, seq = here if said is None or self.replaced else max(here, said.newest)
        behind = here if here < (epoch, seq) else None
        return Said(database, epoch, seq, stopped=False, copied=behind)

    def committed(self, changed: Iterable[Stream], heads: HeadVector) -> None:
        """Note how far our own stream is committed, of the streams whose heads moved."""
        if self._mark is not None:
            for stream in changed:
                if stream.origin == self._central:
                    self._mark.committed(stream.epoch, heads[stream])

    def missing(self, heads: HeadVector) -> integrity.Missing | None:
        """What was committed here once, is not among these heads, and is ours."""
        if (lost := self._lost) is None:
            return None
        held = heads.get(Stream(self._central, lost.epoch), 0)
        return lost._replace(held=held) if held < lost.seq else None

    def is_in_place(self) -> bool:
        """Whether the file is still the one that was opened: SQLite would not notice."""
        return self._mark is None or identity(self.path) == self._identity

    def stopped(self) -> None:
        """Note that the daemon ends in good order: the next start need not look so closely."""
        if self._mark is not None:
            self._mark.stopped()

    def close(self) -> None:
        """Close it, and let another daemon have it. What is not committed is undone."""
        self.connection.close()
        if self._mark is not None:
            self._mark.close()
            self._mark = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one that is put in its place; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def lock(path: Path) -> int:
    """Hold the database for this process alone; the descriptor of the lock.

    The file is made where there is none. Raises DatabaseBusy, or OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))  # plates are in it
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pid = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise DatabaseBusy(f"{path} is in use by another zparkd, pid {pid}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def remember(connection: sqlite3.Connection, central_id: str, site: str) -> None:
    """Write down whose it is, where that is not known. Raises NotOurs."""
    run = connection.execute
    known = dict(run("SELECT key, value FROM meta").fetchall())
    for key, name, value in (("central", "id", central_id), ("site", "site", site)):
        if known.get(key, value) != value:
            raise NotOurs(name, known[key], value)
        run("INSERT OR IGNORE INTO meta VALUES (?,?)", (key, value))
    # Told apart from another database that is put in its place some day.
    run("INSERT OR IGNORE INTO meta VALUES ('database', ?)", (secrets.token_hex(16),))


@contextmanager
def unsynced(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction of its own that waits for no disk: a power cut may undo it, and no other.

    Where it fails it is undone.
    """
    connection.execute("PRAGMA synchronous = NORMAL")
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    finally:
        connection.execute("PRAGMA synchronous = FULL")
