"""A disk that loses what was not synced: files as SQLite writes them, seen from beneath it.

SQLite reaches its files through a table of functions, its VFS. Here that of the system is taken,
and of the files in watched folders `xWrite`, `xTruncate` and `xSync` go through Python: each write
is noted with what it overwrote until it is synced. So `crash` can leave a file as a power cut does:
what was synced is there, of the rest some writes are, some are not, and one is torn.

`fault` of a folder says what its disk answers to the next writes and syncs.
"""

import _sqlite3
import atexit
import ctypes
import functools
import os
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

OK, FULL, IOERR_FSYNC, IOERR_WRITE = 0, 13, 1034, 778
SECTOR = 512


@dataclass
class Unsynced:
    """One write that may be lost: where, what stood there before, and how long the file was."""

    offset: int
    before: bytes
    length: int
    after: bytes | None  # None for a cut of the file at `offset`


@dataclass
class Folder:
    """The disk of one machine. `on_sync` is told of each sync."""

    path: Path
    fault: int = OK  # of each write from now on
    sync_fault: int = OK
    syncs: int = 0
    unsynced: dict[str, list[Unsynced]] = field(default_factory=dict)

    def crash(self, chance: Random) -> None:
        """The power is cut: what was not synced is partly there."""
        for name, writes in self.unsynced.items():
            path = self.path / name
            if not path.exists():
                continue
            data = bytearray(path.read_bytes())
            for write in reversed(writes):
                del data[write.length :]
                data[write.offset : write.offset + len(write.before)] = write.before
            for write in writes:
                if chance.random() < 0.5:
                    _put(data, write, chance)
            path.write_bytes(data)
        self.unsynced.clear()


def _put(data: bytearray, write: Unsynced, chance: Random) -> None:
    """One write reaches the disk, or the first sectors of it."""
    if write.after is None:
        del data[write.offset :]
        return
    after = write.after
    if chance.random() < 0.3:
        after = after[: chance.randrange(0, len(after) + 1, SECTOR)]
    if len(data) < write.offset:
        data.extend(bytes(write.offset - len(data)))
    data[write.offset : write.offset + len(after)] = after


# --- the tables of SQLite: https://www.sqlite.org/c3ref/vfs.html ---------------------------------


# A file is known by its address, where the pointer to its methods stands.
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
_CLOSE = CFUNCTYPE(c_int, c_void_p)
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_SLEEP = CFUNCTYPE(c_int, c_void_p, c_int)


class _Methods(Structure):
    """sqlite3_io_methods; only what is replaced here has a type."""

    _fields_ = (
        ("version", c_int),
        ("close", _CLOSE),
        ("read", c_void_p),
        ("write", _WRITE),
        ("truncate", _TRUNCATE),
        ("sync", _SYNC),
        *((name, c_void_p) for name in ("size", "lock", "unlock", "reserved", "control")),
        *((name, c_void_p) for name in ("sector", "device", "shm_map", "shm_lock")),
        *((name, c_void_p) for name in ("shm_barrier", "shm_unmap", "fetch", "unfetch")),
    )


class _Vfs(Structure):
    """sqlite3_vfs, likewise."""

    _fields_ = (
        ("version", c_int),
        ("file_bytes", c_int),
        ("name_bytes", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _OPEN),
        *((name, c_void_p) for name in ("delete", "access", "full_path")),
        *((name, c_void_p) for name in ("dl_open", "dl_error", "dl_sym", "dl_close", "random")),
        ("sleep", _SLEEP),
        *((name, c_void_p) for name in ("time", "error", "time64", "set", "get", "next_call")),
    )


class Disks:
    """The watched folders of this process, and the VFS that watches them."""

    def __init__(self) -> None:
        self._folders: dict[str, Folder] = {}
        self._open: dict[int, tuple[Folder, str, int, int]] = {}
        self._kept: list[Any] = []  # functions and tables live as long as files may use them
        self._tables: dict[int, _Methods] = {}
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = c_void_p
        library.sqlite3_vfs_register.argtypes = (POINTER(_Vfs), c_int)
        self._real = library.sqlite3_vfs_find(None)
        self._real_open = _Vfs.from_address(self._real).open
        vfs = _Vfs.from_buffer_copy(_Vfs.from_address(self._real))
        vfs.name = b"watched"
        vfs.open = self._keep(_OPEN(self._opened))
        vfs.sleep = self._keep(_SLEEP(lambda *_: 0))  # who waits for a lock waits no time
        atexit.register(self._release)
        assert library.sqlite3_vfs_register(ctypes.byref(self._keep(vfs)), 1) == OK

    def _release(self) -> None:
        """Python ends: files that are open still are closed by nobody but SQLite."""
        for file, (_, _, reading, real) in self._open.items():
            c_void_p.from_address(file).value = real
            os.close(reading)

    def watch(self, path: Path) -> Folder:
        """Watch the files of a folder from now on."""
        folder = self._folders[str(path)] = Folder(path)
        return folder

    def forget(self, folder: Folder) -> None:
        """Watch it no more. Its files are closed by now."""
        del self._folders[str(folder.path)]

    def _keep(self, thing: Any) -> Any:
        self._kept.append(thing)
        return thing

    def _opened(self, _: int, name: int | None, file: int, flags: int, out: int) -> int:
        code: int = self._real_open(self._real, name, file, flags, out)
        methods = c_void_p.from_address(file)
        if code != OK or name is None or methods.value is None:
            return code
        path = Path(os.fsdecode(ctypes.string_at(name)))
        folder = self._folders.get(str(path.parent))
        if folder is not None:
            real = methods.value
            if real not in self._tables:
                self._tables[real] = self._table(_Methods.from_address(real))
            self._open[file] = folder, path.name, os.open(path, os.O_RDONLY), real
            methods.value = ctypes.addressof(self._tables[real])
        return code

    def _table(self, real: _Methods) -> _Methods:
        table = _Methods.from_buffer_copy(real)
        table.write = self._keep(_WRITE(self._write))
        table.truncate = self._keep(_TRUNCATE(self._truncate))
        table.sync = self._keep(_SYNC(self._sync))
        table.close = self._keep(_CLOSE(self._close))
        return table

    def _write(self, file: int, data: int, size: int, offset: int) -> int:
        folder, name, reading, real = self._open[file]
        if folder.fault != OK:
            return folder.fault
        length = os.fstat(reading).st_size
        before = os.pread(reading, size, offset)
        write = Unsynced(offset, before, length, ctypes.string_at(data, size))
        folder.unsynced.setdefault(name, []).append(write)
        return int(_Methods.from_address(real).write(file, data, size, offset))

    def _truncate(self, file: int, size: int) -> int:
        folder, name, reading, real = self._open[file]
        length = os.fstat(reading).st_size
        before = os.pread(reading, max(0, length - size), size)
        folder.unsynced.setdefault(name, []).append(Unsynced(size, before, length, None))
        return int(_Methods.from_address(real).truncate(file, size))

    def _sync(self, file: int, flags: int) -> int:
        folder, name, _, _ = self._open[file]
        folder.syncs += 1
        if folder.sync_fault != OK:
            return folder.sync_fault
        folder.unsynced.pop(name, None)  # the real one has no disk to wait for
        return OK

    def _close(self, file: int) -> int:
        _, _, reading, real = self._open.pop(file)
        os.close(reading)
        c_void_p.from_address(file).value = real
        return int(_Methods.from_address(real).close(file))


@functools.cache
def disks() -> Disks:
    """The one VFS of this process, registered when it is first needed."""
    return Disks()
