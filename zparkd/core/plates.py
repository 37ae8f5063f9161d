"""A plate as a key: how what a camera or a person writes becomes a `plate_id`.

Only the written form is judged here; whether such a vehicle exists is nobody's rule.
"""

import re
import unicodedata

PLATE_ID = re.compile(r"[A-Z0-9]{3,12}")
_DROPPED = str.maketrans({" ": None, ".": None, "-": None, "Đ": "D"})


def normalise_plate(text: str) -> str:
    """The `plate_id` of a plate as read or typed: `29a-123.45` becomes `29A12345`.

    NFC, upper case, Đ to D, spaces, dots and hyphens dropped. Raises ValueError, with what
    is wrong and what to write, where 3 to 12 of A-Z and 0-9 are not what is left.
    """
    plate_id = unicodedata.normalize("NFC", text).upper().translate(_DROPPED)
    if not PLATE_ID.fullmatch(plate_id):
        raise ValueError(
            "must be 3 to 12 of A-Z and 0-9 after spaces, dots and hyphens are dropped,"
            f" not {text[:40]!r}"
        )
    return plate_id
