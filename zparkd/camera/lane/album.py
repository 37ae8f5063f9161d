"""Pictures in a folder, by reference, bounded in size and age.

A reference is `LANE/YYYY-MM-DD/REQUEST_ID.jpg`; further pictures of the same read stand beside
it as `REQUEST_ID-2.jpg`. The folder may be emptied at any time: nothing else depends on it.
"""

import logging
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from zparkd.camera.read import Picture

REFERENCE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9a-f]{32}(-[2-8])?\.(jpg|png)"
)
_PARTS = 20  # of the bound may be written between two looks at it
_log = logging.getLogger("zparkd.camera")


class Album:
    """The folder of pictures. A picture that can't be written is logged, and held nobody up."""

    def __init__(self, folder: Path, mib: int, days: int) -> None:
        self._folder = folder
        self._bytes = mib * 1024 * 1024
        self._age_s = days * 24 * 3600
        self._written = 0  # bytes since the last look at the bounds

    def reference(
        self, lane: str, request_id: str, pictures: Sequence[Picture], captured_ms: int
    ) -> str | None:
        """How the first of these pictures will be known; None without any."""
        if not pictures:
            return None
        day = datetime.fromtimestamp(captured_ms / 1000, UTC).strftime("%Y-%m-%d")
        return f"{lane}/{day}/{request_id}{_ending(pictures[0])}"

    def keep(self, reference: str | None, pictures: Sequence[Picture]) -> None:
        """Write pictures under the reference of the first."""
        if reference is None:
            return
        first = self._folder / reference
        try:
            first.parent.mkdir(parents=True, exist_ok=True)
            for number, picture in enumerate(pictures, 1):
                name = f"{first.stem}-{number}{_ending(picture)}" if number > 1 else first.name
                path = first.parent / name
                path.write_bytes(picture.data)
                path.chmod(0o640)
        except OSError as fault:
            _log.warning("a picture can't be kept: %s", fault.strerror or fault)
            return
        self._written += sum(len(picture.data) for picture in pictures)
        if self._written > self._bytes // _PARTS:
            self.tidy()

    def find(self, reference: str) -> Path | None:
        """The file of a picture; None where there is none, or it is no reference."""
        if not REFERENCE.fullmatch(reference):
            return None
        path = self._folder / reference
        return path if path.is_file() else None

    def tidy(self) -> None:
        """Remove what is too old, then the oldest until the rest is within the bound."""
        self._written = 0
        try:
            found = [
                (state.st_mtime, state.st_size, path)
                for path in self._folder.glob("*/*/*")
                if (state := path.stat())
            ]
            found.sort()
            total = sum(size for _, size, _ in found)
            oldest = time.time() - self._age_s
            for written, size, path in found:
                if written >= oldest and total <= self._bytes:
                    break
                path.unlink(missing_ok=True)
                total -= size
            for folder in self._folder.glob("*/*"):
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
        except OSError as fault:
            _log.warning("the pictures can't be tidied: %s", fault.strerror or fault)


def _ending(picture: Picture) -> str:
    return ".png" if picture.data.startswith(b"\x89PNG") else ".jpg"
