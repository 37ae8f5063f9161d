"""Conflicts as work: how each is known, at every central by the same name."""

import base64
import hashlib
import re

from zparkd.core.events.event import Position

ID = re.compile(r"[a-z2-7]{8}")


def conflict_id(kind: str, about: Position) -> str:
    """Eight letters and digits for a conflict of a kind about an event: the same everywhere."""
    text = f"{kind} {about.origin} {about.epoch} {about.seq}"
    digest = hashlib.blake2b(text.encode(), digest_size=5).digest()
    return base64.b32encode(digest).decode().lower()
