"""Files that are whole or not there at all, and on the disk once they are written."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_FILE_MODE = 0o640  # read by the group of the daemon, and nobody else


@contextmanager
def new_file(file: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name once all of it is written, never over another one.

    Until then it stands beside that under the `name` of what is yielded, for its owner alone; and
    is gone where the writing fails. Raises FileExistsError, or another OSError.
    """
    with _beside(file) as opened:
        yield opened
        _on_disk(opened)
        _give_name(Path(opened.name), file)


def create_file(file: Path, content: bytes, *, mode: int, group_of: Path) -> None:
    """Put a file where none is, with the group of another file or directory where that may be.

    Raises FileExistsError, or another OSError.
    """
    with new_file(file) as opened:
        opened.write(content)
        share(opened.fileno(), group_of)
        os.fchmod(opened.fileno(), mode)


def replace_file(file: Path, content: bytes, *, mode: int, group_of: Path | None) -> None:
    """Have a file with this content, whatever was there; None: the group that new files get here.

    Raises OSError.
    """
    with _beside(file) as opened:
        opened.write(content)
        if group_of is not None:
            share(opened.fileno(), group_of)
        os.fchmod(opened.fileno(), mode)
        _on_disk(opened)
        os.replace(opened.name, file)
    sync_folder(file.parent)


def put_file(file: Path, content: bytes | None) -> None:
    """Have a file of the configuration with this content, or none. Raises OSError.

    One that is there keeps its mode and group; a new one gets the group of its directory.
    """
    if content is None:
        file.unlink(missing_ok=True)
        sync_folder(file.parent)
        return
    file.parent.mkdir(mode=0o770, exist_ok=True)
    there = file if file.exists() else None
    mode = there.stat().st_mode & 0o777 if there is not None else _FILE_MODE
    replace_file(file, content, mode=mode, group_of=there or file.parent)


def share(made: Path | int, group_of: Path) -> None:
    """Give a file the group of another, where this user may: only one that it is of itself."""
    with suppress(OSError):
        os.chown(made, -1, group_of.stat().st_gid)


def sync_folder(folder: Path) -> None:
    """Have the names in a directory on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some file systems can't, and need not
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _beside(file: Path) -> Iterator[IO[bytes]]:
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    os.close(descriptor)
    try:
        with open(name, "r+b") as opened:
            yield opened
    finally:
        Path(name).unlink(missing_ok=True)


def _on_disk(opened: IO[bytes]) -> None:
    opened.flush()
    os.fsync(opened.fileno())


def _give_name(finished: Path, file: Path) -> None:
    try:
        os.link(finished, file)  # unlike a rename, it never replaces
    except FileExistsError:
        raise
    except OSError:  # no hard links here, as on a USB stick: take the name first
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        finished.replace(file)
    sync_folder(file.parent)
