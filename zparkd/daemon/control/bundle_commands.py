"""The commands that take in a bundle, page by page, as pages of peers are taken in.

    bundle.take  {"page": BASE64, "sealed": BOOL}    how many `events` are new, how many `known`,
                                                     and what was `left_out`, with the reasons
    bundle.done  {"events": N, "made_by": ID}        says so in the log

A page that is `sealed` is opened with the key of this central. Whoever imports waits for each
answer before the next page, so cameras are answered in between.
"""

import base64
import binascii
from typing import Any

from nacl import bindings
from nacl.exceptions import CryptoError

from zparkd.core.errors import ProtocolError
from zparkd.core.keys import fingerprint, key_bytes
from zparkd.core.replication.bundles import PageTaken, split_page
from zparkd.core.site import CENTRAL_ID
from zparkd.core.turn import TakePage
from zparkd.daemon.control.commands import Answer, Command, Request, Wants, no
from zparkd.logs.messages import Message, say
from zparkd.transport.bus import Bus


def bundle_commands(bus: Bus) -> dict[str, Command]:
    """The table of them, for a central that is reached over this bus."""

    def take(request: Request) -> Answer | Wants:
        try:
            chunk = base64.b64decode(str(request.get("page")), validate=True)
            if request.get("sealed") is True:
                chunk = _opened(bus, chunk)
            frames = split_page(chunk)
        except binascii.Error:
            return no("bad_request", "page: must be base64")
        except ProtocolError as fault:
            return no("bad_bundle", str(fault))
        return Wants(TakePage(frames), _told)

    def done(request: Request) -> Answer:
        events, made_by = request.get("events"), str(request.get("made_by"))
        if type(events) is not int or events < 0 or CENTRAL_ID.fullmatch(made_by) is None:
            return no("bad_request", "events must be a number, made_by a central")
        say(Message.BUNDLE_TAKEN, events=events, central=made_by)
        return {"success": True}

    return {"bundle.take": take, "bundle.done": done}


def _opened(bus: Bus, chunk: bytes) -> bytes:
    """What is in a sealed box to our key. Raises ProtocolError where it is none."""
    own = bus.keys.own
    if own is None:
        raise ProtocolError("is encrypted, and this central has no key")
    public, secret = (key_bytes(key.decode()) for key in (own.public, own.secret))
    try:
        return bindings.crypto_box_seal_open(chunk, public, secret)
    except CryptoError:
        raise ProtocolError(
            f"can't be opened with the key of this central, {fingerprint(public)}: it is broken, or"
            " was made for another key; have it made anew"
        ) from None


def _told(outcome: PageTaken | ProtocolError) -> Answer:
    if isinstance(outcome, ProtocolError):
        return no("bad_bundle", str(outcome))
    found: dict[str, Any] = outcome._asdict()
    return {"success": True, **found}
