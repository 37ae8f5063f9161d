"""`zparkctl sync`: is everything that is known of here, and waiting until it is.

What a peer has beyond this central is the daemon's knowledge; here it is only waited for.
"""

import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from zparkd.cli.context import Exit, ask_daemon, fail, refuse
from zparkd.cli.output import plural, print_json, printable

_LOOK_EVERY_S = 0.25
_GREETING_S = 3.0  # after a start, peers that are there have been heard by then


class _Peer(NamedTuple):
    """A peer, and how many events it has that are not here; None where nobody can know.

    Of one that is not heard these are the events that it had when it was: it may have more.
    """

    id: str
    events: int | None
    heard: bool
    since: str | None

    @property
    def unheard(self) -> str:
        """Since when it is not heard."""
        since = f"since {self.since}" if self.since else "since this central started"
        return f"not heard {since}"

    def __str__(self) -> str:
        heard = "" if self.heard else f", and it is {self.unheard}"
        if self.events is None:
            return f"{self.id}: what it has is not known{heard}"
        return f"{self.id}: {plural(self.events, 'event')} not here yet{heard}"


class _Look(NamedTuple):
    """What the daemon says at one moment: the peers, how long it has been up, and what is stuck."""

    peers: list[_Peer]
    uptime_s: float
    stuck: list[str]

    @property
    def missing(self) -> list[_Peer]:
        """The peers that have, or may have, what is not here."""
        return [peer for peer in self.peers if peer.events != 0]

    @property
    def unheard(self) -> list[_Peer]:
        """The peers that have nothing known to be missing, and could not be asked of late."""
        return [peer for peer in self.peers if peer.events == 0 and not peer.heard]

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
    help="Give up waiting after this many seconds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def sync(file: Path, wait: bool, timeout_s: float, as_json: bool) -> None:
    """Say whether all events that the peers are known to have are here.

    Exit status 0 when nothing is known to be missing; 1 when something is, now or with --wait
    at the timeout, and then what is missing, and from whom, is printed. A peer that is not
    heard counts as complete where all that it had when last heard is here, and is named;
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
        lines = "\n".join([*map(str, look.missing), *look.stuck])
        fail(Exit.NO, "missing", lines, as_json=as_json, waited_s=waited_s, peers=listed)
    if as_json:
        unheard = [peer.id for peer in look.unheard]
        print_json({"success": True, "waited_s": waited_s, "peers": [], "unheard": unheard})
        return
    click.echo("nothing is known to be missing here")
    for peer in look.unheard:
        click.echo(f"{peer.id}: {peer.unheard}, so it may have more")


def _look(file: Path, *, as_json: bool) -> _Look:
    """What the daemon says now."""
    answer = ask_daemon(file, "status", as_json=as_json)
    if answer.get("success") is not True:
        refuse(answer, as_json=as_json)
    peers = [_peer(peer) for peer in answer.get("peers") or []]
    stuck = [
        printable(str(problem.get("message")))
        for problem in answer.get("problems") or []
        if problem.get("code") == "STREAM_STUCK"
    ]
    return _Look(peers, answer.get("uptime_s", _GREETING_S), stuck)


def _peer(told: Mapping[str, Any]) -> _Peer:
    """A peer as the daemon tells of it."""
    heard, events = told.get("connected") is True, told.get("behind")
    if events is None and not heard:
        events = told.get("behind_when_heard")
    last = told.get("last_ping_time")
    since = datetime.fromisoformat(last).strftime("%Y-%m-%d %H:%M:%S") if last else None
    return _Peer(str(told.get("peer_id")), events, heard, since)


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
