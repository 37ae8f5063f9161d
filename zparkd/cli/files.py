"""Files that zparkctl makes: each whole or not there at all, and never over another.

Also what the configuration would come to with them, judged before any is put there.
"""

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from zparkd.config.atomic_file import create_file, share
from zparkd.config.load import ConfigError, Fault, load

FILE_MODE = 0o640  # of a file of the configuration: read by the daemon, which is of its group


def write_new(file: Path, content: bytes, group_of: Path) -> None:
    """Put a file with this content where none is, in one step.

    It gets the group of `group_of` where this user may give it: the daemon, which belongs to
    it, has to read what root wrote. Raises FileExistsError, or another OSError.
    """
    create_file(file, content, mode=FILE_MODE, group_of=group_of)


def make_folder(folder: Path, group_of: Path) -> None:
    """Make a directory for such files, unless it is there."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o750)
        share(folder, group_of)


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
