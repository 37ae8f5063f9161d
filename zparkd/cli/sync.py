"""`zparkctl sync`: is everything that is known of here, and waiting until it is.

What a peer has beyond this central is the daemon's knowledge; here it is only waited for.
"""

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import click

from zparkd.cli.reach import Exit, ask_daemon, fail, refuse
from zparkd.cli.tables import plural, print_json

_LOOK_EVERY_S = 0.25
_GREETING_S = 3.0  # after a start, peers that are there have been heard by then


class _Peer(NamedTuple):
    """A peer, and how many events it has that are not here; None where nobody can know."""

    id: str
    events: int | None
    heard: bool

    def __str__(self) -> str:
        heard = "" if self.heard else ", and it is not heard"
        if self.events is None:
            return f"{self.id}: what it has is not known{heard}"
        return f"{self.id}: {plural(self.events, 'event')} not here yet{heard}"


class _Look(NamedTuple):
    """What the daemon says at one moment: the peers, and how long it has been up."""

    peers: list[_Peer]
    uptime_s: float

    @property
    def missing(self) -> list[_Peer]:
        """The peers that have, or may have, what is not here."""
        return [peer for peer in self.peers if peer.events != 0]

    @property
    def unheard(self) -> list[str]:
        """The peers that have nothing known to be missing, and could not be asked of late."""
        return [peer.id for peer in self.peers if peer.events == 0 and not peer.heard]

    @property
    def early(self) -> bool:
        """Whether a peer that is there may not have been heard only because we just started."""
        return bool(self.unheard) and self.uptime_s < _GREETING_S


@click.command(epilog="Example: zparkctl sync --wait --timeout 30")
@click.option("--wait", is_flag=True, help="Wait until it is so.")
@click.option(
    "--timeout",
    "timeout_s",
    metavar="S",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Give up waiting after so many seconds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def sync(file: Path, wait: bool, timeout_s: float, as_json: bool) -> None:
    """Say whether all events that the peers are known to have are here.

    Exit status 0 when nothing is known to be missing; 1 when something is, now or with --wait
    at the timeout, and then what is missing, and from whom, is printed. A peer that is not
    heard counts as complete where all that it was last known to have is here, and is named;
    --wait gives a daemon that has just started 3 s to hear its peers first. Where it was never
    known what a peer has, it counts as missing.
    """
    began = time.monotonic()
    look = _look(file, as_json=as_json)
    if wait and (look.missing or look.early):
        with _bar(look.missing, as_json=as_json) as bar:
            while (look.missing or look.early) and time.monotonic() < began + timeout_s:
                time.sleep(min(_LOOK_EVERY_S, max(0.0, began + timeout_s - time.monotonic())))
                look = _look(file, as_json=as_json)
                if bar is not None:
                    _advance(bar, look.missing)
    waited_s = round(time.monotonic() - began, 1)
    if look.missing:
        listed = [{"peer_id": peer.id, "missing": peer.events} for peer in look.missing]
        lines = "\n".join(map(str, look.missing))
        fail(Exit.NO, "missing", lines, as_json=as_json, waited_s=waited_s, peers=listed)
    if as_json:
        print_json({"success": True, "waited_s": waited_s, "peers": [], "unheard": look.unheard})
        return
    unheard = f"; not heard: {', '.join(look.unheard)}" if look.unheard else ""
    click.echo(f"nothing is known to be missing here{unheard}")


def _look(file: Path, *, as_json: bool) -> _Look:
    """What the daemon says now."""
    answer = ask_daemon(file, "status", as_json=as_json)
    if answer.get("success") is not True:
        refuse(answer, as_json=as_json)
    peers = [
        _Peer(str(peer.get("peer_id")), peer.get("behind"), peer.get("connected") is True)
        for peer in answer.get("peers") or []
    ]
    return _Look(peers, answer.get("uptime_s", _GREETING_S))


def _bar(missing: list[_Peer], *, as_json: bool) -> AbstractContextManager[Any]:
    """A progress bar where somebody looks, else nothing."""
    if as_json or not sys.stderr.isatty():
        return nullcontext()
    return click.progressbar(length=max(1, _count(missing)), label="fetching", file=sys.stderr)


def _advance(bar: Any, missing: list[_Peer]) -> None:
    """Move the bar; events that are made meanwhile make it longer."""
    count = _count(missing) or (1 if missing else 0)
    bar.length = max(bar.length, bar.pos + count)
    bar.update(max(0, bar.length - count - bar.pos))


def _count(missing: list[_Peer]) -> int:
    return sum(peer.events or 0 for peer in missing)
