"""Noticing that the configuration files changed: what to watch, and when to look again.

Three things can say that a file may have changed. `watchdog` does at once, but is blind to a
directory that is replaced as a whole, to what lies behind symbolic links, and on network disks;
so every half second the known files and directories are asked for their stamps, and every 15 s
all is read whoever said what. None of them decides: after a moment of quiet the files are read
as bytes, and only other bytes mean a change.

What the files say is none of its business, and nothing here parses, applies or writes anything.
"""

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from watchdog import events
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from zparkd.config.toml import MAX_FILE_BYTES
from zparkd.logs.messages import Message, say

QUIET_MS = 200  # so long nothing more must have happened before the files are read
PATIENCE_MS = 1_000  # but no longer than this after the first event
STAMPS_EVERY_MS = 500
RESCAN_MS = 15_000
RESCAN_ALONE_MS = 2_000  # where inotify does not work

# Finished changes only: our own reading is none, and a database beside the files is written to
# all the time.
_HEARD: list[type[events.FileSystemEvent]] = [
    *(events.DirCreatedEvent, events.DirDeletedEvent, events.DirMovedEvent),
    *(events.FileCreatedEvent, events.FileDeletedEvent, events.FileMovedEvent),
    events.FileClosedEvent,
]


_Stamp = tuple[int, int, int]  # device, inode, time of the last change in ns; zero where nothing is


class _FileEvents(events.FileSystemEventHandler):
    """Called in a thread of watchdog: raises flags, and does nothing else."""

    def __init__(self, main: str) -> None:
        self._main = main
        self.touched = False
        self.moved = False

    def on_any_event(self, event: events.FileSystemEvent) -> None:
        """A file or directory was made, written, renamed or removed."""
        names = [os.path.basename(os.fsdecode(path)) for path in (event.src_path, event.dest_path)]
        if event.is_directory:
            self.moved = True
        elif any(name == self._main or _counts(name) for name in names):
            self.touched = True


class Watch:
    """The main file and those in `peers.d` and `edges.d` beside it, under observation.

    One thread calls all methods. None waits, but for some ms where a directory was replaced.
    """

    def __init__(self, main: Path) -> None:
        """Note what is there now; made before the files are first loaded, it misses nothing.

        `digest` is of the files as they were when they were last loaded.
        """
        self._main = main
        self._folders = (main.parent, main.parent / "peers.d", main.parent / "edges.d")
        self._events = _FileEvents(main.name)
        self._observer: BaseObserver | None = None
        self._alone = False
        self._armed: list[tuple[int, int]] = []
        self._first_ms: int | None = None
        self._last_ms = 0
        self._stamps_due_ms = self._rescan_due_ms = 0
        self._known: list[Path] = []
        self._stamps: list[_Stamp] = []
        self.digest = self._read()

    def start(self) -> None:
        """Begin to listen. Where inotify can't, the files are still read now and then."""
        self._arm()

    def stop(self) -> None:
        """Let go of inotify."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()

    def changed(self, mono_ms: int, refused: bool) -> bool:
        """Whether the files are to be loaded now. Called each turn; cheap when nothing happened.

        `refused` says that what was loaded last was: it may have been half a file, so that any
        sign of a change counts, even if the bytes turn out to be those seen before.
        """
        if mono_ms >= self._stamps_due_ms:
            self._stamps_due_ms = mono_ms + STAMPS_EVERY_MS
            self._look()
        if self._events.touched:
            self._events.touched = False
            self._last_ms = mono_ms
            if self._first_ms is None:
                self._first_ms = mono_ms
        touched = self._first_ms is not None and (
            mono_ms - self._last_ms >= QUIET_MS or mono_ms - self._first_ms >= PATIENCE_MS
        )
        if not touched and mono_ms < self._rescan_due_ms:
            return False
        self._first_ms = None if touched else self._first_ms
        self._rescan_due_ms = mono_ms + (RESCAN_ALONE_MS if self._alone else RESCAN_MS)
        return self._read() != self.digest or (touched and refused)

    def loading(self) -> None:
        """The files are loaded now, for whatever reason: a change is what differs from this."""
        self.digest = self._read()

    def _look(self) -> None:
        """Compare stamps; find directories again that are others than those watched."""
        stamps = [_stamp(path) for path in self._known]
        if stamps != self._stamps:
            self._stamps = stamps
            self._events.touched = True
        if self._events.moved or self._there() != self._armed:
            self._events.touched = True
            self._arm()

    def _there(self) -> list[tuple[int, int]]:
        """Which directories are there now, whatever is in them."""
        return [_stamp(folder)[:2] for folder in self._folders]

    def _arm(self) -> None:
        """Watch the directories that are there now, and no others."""
        self._events.moved = False
        self._armed = self._there()
        if self._alone:
            return
        try:
            self.stop()
            self._observer = Observer()
            self._observer.start()
            for folder in self._folders:
                if folder.is_dir():
                    # A link itself would be watched, and not what it points to.
                    place = os.path.realpath(folder)
                    self._observer.schedule(self._events, place, event_filter=_HEARD)
        except (FileNotFoundError, NotADirectoryError):
            self._armed = []  # gone this moment: once more in half a second
        except (OSError, RuntimeError) as fault:  # a limit: of watches, instances, threads
            self.stop()
            self._alone = True
            say(Message.WATCH_FAILED, reason=fault, every_s=RESCAN_ALONE_MS // 1000)

    def _read(self) -> bytes:
        """The digest of all names and bytes; and note the stamps that go with them."""
        files = [self._main]
        files += [folder / name for folder in self._folders[1:] for name in _names(folder)]
        # Of the main file's own directory the stamp changes with each socket and database file.
        self._known = [*self._folders[1:], *files]
        self._stamps = [_stamp(path) for path in self._known]
        sha = hashlib.sha256()
        for file in files:
            name, content = os.fsencode(file), _content(file)
            sha.update(b"%d %d " % (len(name), len(content)) + name + content)
        return sha.digest()


def _counts(name: str) -> bool:
    """Whether a file of this name is read in `peers.d` and `edges.d`."""
    return name.endswith(".toml") and not name.startswith(".")


def _names(folder: Path) -> Sequence[str]:
    try:
        return sorted(filter(_counts, os.listdir(folder)))
    except OSError:
        return ()


def _content(file: Path) -> bytes:
    """The bytes of a file, or why it has none."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # opening a FIFO would wait for ever
            return b"no file"
        with file.open("rb") as opened:
            return opened.read(MAX_FILE_BYTES + 1)
    except OSError as fault:
        return b"errno %d" % (fault.errno or 0)


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_dev, found.st_ino, found.st_ctime_ns
