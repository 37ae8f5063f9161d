"""Files that zparkctl makes: each whole or not there at all, and never over another.

Also what the configuration would come to with them, judged before any is put there.
"""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import orjson

from zparkd.config.load import ConfigError, Fault, load

FILE_MODE = 0o640  # of a file of the configuration: read by the daemon, which is of its group


def toml(value: str | int) -> str:
    """A value as TOML writes it; what no file can say becomes a mark that no value may contain."""
    if isinstance(value, int):
        return str(value)
    text = value.encode(errors="replace").decode()
    return orjson.dumps(text).decode().replace("\x7f", "\\u007f")


def write_new(file: Path, content: bytes, group_of: Path) -> None:
    """Put a file with this content where none is, in one step.

    It gets the group of `group_of` where this user may give it: the daemon, which belongs to
    it, has to read what root wrote. Raises FileExistsError, or another OSError.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with open(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            _share(descriptor, group_of)
            os.fchmod(descriptor, FILE_MODE)
            os.fsync(descriptor)
        put(Path(name), file)
    finally:
        Path(name).unlink(missing_ok=True)


def make_folder(folder: Path, group_of: Path) -> None:
    """Make a directory for such files, unless it is there."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o750)
        _share(folder, group_of)


def put(finished: Path, file: Path) -> None:
    """Give a finished file of the same directory its name. Raises FileExistsError, OSError."""
    try:
        os.link(finished, file)  # unlike a rename, it never replaces
    except FileExistsError:
        raise
    except OSError:  # no hard links here, as on a USB stick: take the name first
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        finished.replace(file)
    finished.unlink(missing_ok=True)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a directory on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some file systems can't, and need not
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _share(made: Path | int, group_of: Path) -> None:
    with suppress(OSError):
        os.chown(made, -1, group_of.stat().st_gid)


def faults_with(file: Path, new: Mapping[Path, bytes]) -> list[Fault]:
    """What would be wrong with the configuration in `file` with these `new` files in it.

    It is read as the daemon reads it, from a copy elsewhere: the daemon, which watches the
    real one, sees nothing of files that are refused. A main file that is not among the new
    ones is taken for good: it must have been read before. Raises OSError.
    """
    folder = file.parent
    folders = {folder, *(path.parent for path in new)}
    with tempfile.TemporaryDirectory(prefix="zparkctl-") as name:
        stage = Path(name)

        def staged(path: Path) -> Path:
            return stage / path.relative_to(folder)

        for place in sorted(folders):
            staged(place).mkdir(exist_ok=True)
        for place in sorted(folders):
            for entry in place.absolute().iterdir() if place.is_dir() else ():
                if place / entry.name not in folders | new.keys():
                    (staged(place) / entry.name).symlink_to(entry)
        for path, content in new.items():
            staged(path).write_bytes(content)
        try:
            load(staged(file))
        except ConfigError as error:
            return [
                replace(
                    fault,
                    file=folder / fault.file.relative_to(stage),
                    text=fault.text.replace(str(stage), str(folder)),
                )
                for fault in error.faults
                if fault.file != staged(file) or file in new
            ]
    return []
