"""The commands that take over the earlier system's stays, a bounded batch at a time.

    import.stays  {"stays": [[camera_type, plate_id, entry_s, ...], ...]}    see core.gate.old_stays
    import.done   {"stays": N, "entries": N, "exits": N}                     says so in the log

Whoever imports waits for each answer before the next batch, so cameras are answered in between.
"""

from collections.abc import Callable

from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.gate.old_stays import BadStays, read_stays
from zparkd.core.turn import TakeOver
from zparkd.daemon.control.commands import Answer, Command, Request, Wants, no
from zparkd.logs.messages import Message, say

_COUNTS = ("stays", "entries", "exits")
_CLOCKS_DIFFER_S = 24 * 3600


def import_commands(central: Central, now: Callable[[], Now]) -> dict[str, Command]:
    """The table of them, for one central."""

    def take(request: Request) -> Answer | Wants:
        try:
            stays = read_stays(request.get("stays"))
        except BadStays as bad:
            return no("bad_request", str(bad))
        latest_s = central.clock.read(now()).ms // 1000 + _CLOCKS_DIFFER_S
        for stay in stays:
            if max(stay.entry_s, stay.exit_s or 0) > latest_s:
                return no("bad_request", f"stays: a time of {stay.plate_id} is in the future")
        return Wants(TakeOver(stays), lambda taken: {"success": True, **taken._asdict()})

    def done(request: Request) -> Answer:
        counts = {name: request.get(name) for name in _COUNTS}
        if not all(type(count) is int and count >= 0 for count in counts.values()):
            return no("bad_request", f"{', '.join(_COUNTS)}: must be numbers")
        say(Message.MOVED_IN, **counts)
        return {"success": True}

    return {"import.stays": take, "import.done": done}
