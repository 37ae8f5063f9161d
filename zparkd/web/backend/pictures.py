"""Pictures of vehicles, from the `zparkd-camera` of this machine, which serves them to nobody else.

Where it listens is written in `camera.toml` beside the configuration of the central. What it does
not have, or is not there to give, is not shown: a story is whole without.
"""

import asyncio
import http.client
import os
import re
import tomllib
from pathlib import Path
from typing import NamedTuple

from zparkd.web import limits
from zparkd.web.backend.site import Site

REFERENCE = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9a-f]{32}(-[2-8])?\.(jpg|png)"
)
_DEFAULT = "127.0.0.1:8070"
_PATIENCE_S = 3.0
_TYPES = ("image/jpeg", "image/png")
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}


class Picture(NamedTuple):
    """The bytes of a picture, and of which type they are."""

    data: bytes
    type: str


class Pictures:
    """What the cameras' process of this machine keeps."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._few = asyncio.Semaphore(limits.PICTURES_AT_ONCE)

    async def find(self, reference: str) -> Picture | None:
        """A picture by its reference; None where there is none to be had."""
        if not REFERENCE.fullmatch(reference):
            return None
        async with self._few:
            return await asyncio.to_thread(self._fetch, reference)

    def _fetch(self, reference: str) -> Picture | None:
        host, _, port = self._listens().rpartition(":")
        try:
            asking = http.client.HTTPConnection(
                _ANYWHERE.get(host, host.strip("[]")), int(port), timeout=_PATIENCE_S
            )
        except (ValueError, http.client.HTTPException):
            return None
        try:
            asking.request("GET", f"/-/pictures/{reference}")
            answer = asking.getresponse()
            found = answer.getheader("Content-Type", "")
            if answer.status != http.client.OK or found not in _TYPES:
                return None
            data = answer.read(limits.PICTURE_BYTES + 1)
        except (OSError, http.client.HTTPException):
            return None
        finally:
            asking.close()
        return Picture(data, found) if len(data) <= limits.PICTURE_BYTES else None

    def _listens(self) -> str:
        """Where the cameras' process listens."""
        beside = self._site.config.path.parent / "camera.toml"
        file = Path(os.environ.get("ZPARKD_CAMERA_CONFIG") or beside)
        try:
            said = tomllib.loads(file.read_text("utf-8")).get("listen", _DEFAULT)
        except (OSError, ValueError, RecursionError):
            return _DEFAULT
        return said if isinstance(said, str) else _DEFAULT
