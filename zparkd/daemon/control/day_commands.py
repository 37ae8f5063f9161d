"""The command that signs the close of a day.

    day.sign  {"close": {...}}    the `public_key` and `signature` of this central under it

It is signed where it is of this central and site, and lists no more than is held here. What a day
came to is calculated by who asks: any central that holds the same can do it again.
"""

from typing import Any

import msgspec

from zparkd.core.central import Central
from zparkd.core.keys import key_text
from zparkd.core.reports.day import Close, heads_of, signed_text
from zparkd.daemon.control.commands import Answer, Command, Request, no


def day_commands(central: Central) -> dict[str, Command]:
    """The table of them, for one central."""

    def sign(request: Request) -> Answer:
        signer, settings = central.signatures.signer, central.settings
        if signer is None:
            return no("plain", 'a central without keys signs nothing: mode = "plain"')
        try:
            close = msgspec.convert(_object(request.get("close")), Close)
        except msgspec.ValidationError as fault:
            return no("bad_request", f"close: {fault}")
        if (close.site, close.closed_by) != (settings.site, settings.id):
            return no("bad_request", f"close: is not of {settings.id} of site {settings.site}")
        held = central.log.heads
        if any(head > held.get(stream, 0) for stream, head in heads_of(close).items()):
            return no("bad_request", "close: lists events that are not held here")
        public_key = key_text(signer.identity.public)
        text = signed_text(msgspec.structs.replace(close, public_key=public_key))
        signature = signer.identity.attest(text).hex()
        return {"success": True, "public_key": public_key, "signature": signature}

    return {"day.sign": sign}


def _object(value: Any) -> Any:
    """An object without the members that are to be made here."""
    if not isinstance(value, dict):
        return value
    return {name: it for name, it in value.items() if name not in ("public_key", "signature")}
