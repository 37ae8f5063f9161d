"""The configuration of the central that the gateway is for, as its files say now.

They are read again when they changed. What is at fault in them changes nothing here: the last
good one counts, as it does for the daemon, and what is wrong shows in its status.
"""

import time
from contextlib import suppress
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from zparkd.config.load import Config, ConfigError, load

_EVERY_S = 1.0

_Stamp = tuple[tuple[str, int, int], ...]


class Site:
    """The files whose main one is `path`. Raises ConfigError where they are at fault at first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._stamped()
        self._config = load(path)
        self._looked_s = time.monotonic()

    @property
    def config(self) -> Config:
        """What they say, or said when they were last in order."""
        if time.monotonic() - self._looked_s >= _EVERY_S:
            self.look()
        return self._config

    @property
    def zone(self) -> tzinfo:
        """The site's time zone."""
        return ZoneInfo(self.config.timezone)

    def look(self) -> None:
        """Read the files again if they changed."""
        self._looked_s = time.monotonic()
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        with suppress(ConfigError):
            self._config, self._stamp = load(self._path), stamp

    def _stamped(self) -> _Stamp:
        peers = self._path.parent / "peers.d"
        files = [self._path, *sorted(peers.glob("*.toml"))] if peers.is_dir() else [self._path]
        found = []
        for file in files:
            try:
                stat = file.stat()
            except OSError:
                continue
            found.append((file.name, stat.st_ino, stat.st_mtime_ns))
        return tuple(found)
