"""`zparkctl incidents`: the story of each time that this central was cut off from others.

When a peer was lost and back was written down by the daemon; what happened meanwhile is read
from the log. Outages that began and ended together are one incident.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from zparkd.cli import output
from zparkd.cli.context import load_config
from zparkd.cli.database import reading
from zparkd.cli.output import NONE, print_json
from zparkd.core.clock import site_time
from zparkd.storage.readers.arrivals import newest as newest_arrival
from zparkd.storage.readers.connection import Connection
from zparkd.storage.readers.incidents import Outage, meanwhile, outages

_TOGETHER_MS = 10_000  # outages that began, and ended, within this of each other are one incident
_WHY = {
    "NOT_HEARD": "not heard",
    "DEAF": "heard, and did not hear this central",
    "DOWN_HERE": "this central did not run",
}
# What was charged where no stay counts it, or for another stay than the one that counts.
_MONEY = frozenset(("ENDED_NOTHING", "OTHER_ENTRY", "NEGATIVE_DURATION", "ABSURD_DURATION"))


@dataclass
class Incident:
    """Outages that were one. What is None is not so yet."""

    outages: list[Outage]

    @property
    def lost_ms(self) -> int:
        """When the first was lost."""
        return min(outage.lost_ms for outage in self.outages)

    @property
    def back_ms(self) -> int | None:
        """When the last was back."""
        return _last(outage.back_ms for outage in self.outages)

    @property
    def over_ms(self) -> int | None:
        """When all that they had was here."""
        return _last(outage.over_ms for outage in self.outages)

    @property
    def over_no(self) -> int | None:
        """The newest arrival then."""
        return _last(outage.over_no for outage in self.outages)

    def has_part_in(self, outage: Outage) -> bool:
        """Whether an outage is one with these."""
        first = self.outages[0]
        if outage.lost_ms - first.lost_ms > _TOGETHER_MS or outage.why != first.why:
            return False
        if outage.back_ms is None or first.back_ms is None:
            return outage.back_ms is first.back_ms
        return abs(outage.back_ms - first.back_ms) <= _TOGETHER_MS


@click.command(epilog="Example: zparkctl incidents --limit 5")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Show only this many, the newest; 0 for all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@click.pass_obj
def incidents(file: Path, limit: int, as_json: bool) -> None:
    """The story of each cut, newest first: who was cut off, from when to when, and what of it.

    For each it says how many events were made on either side, which conflicts came of them
    (zparkctl conflicts lists each), and how much money was charged that no stay, or another one,
    accounts for. Times are the site's. The newest 1,000 outages are kept.
    """
    config = load_config(file, as_json=as_json)
    with reading(config.storage_path, as_json=as_json) as connection:
        found = list(_grouped(outages(connection)))
        newest = found[::-1][: limit or None]
        stories = [_story(connection, one, config.central_id) for one in newest]
    zone = ZoneInfo(config.timezone)
    if as_json:
        print_json([_with_times(story, zone) for story in stories])
    elif stories:
        click.echo("\n\n".join(_told(story, zone) for story in stories))
    else:
        click.echo(f"incidents: {NONE}")


def _grouped(outages: Iterable[Outage]) -> Iterator[Incident]:
    """The incidents that outages, oldest first, come to."""
    under_way: list[Incident] = []
    for outage in outages:
        mine = next((one for one in reversed(under_way) if one.has_part_in(outage)), None)
        if mine is not None:
            mine.outages.append(outage)
        else:
            under_way.append(Incident([outage]))
    yield from under_way


def _story(connection: Connection, incident: Incident, us: str) -> dict[str, Any]:
    """What is told of an incident, times in ms."""
    cut_off = sorted({outage.peer for outage in incident.outages})
    over_no = incident.over_no
    made, rows = meanwhile(
        connection,
        lost_no=min(outage.lost_no for outage in incident.outages),
        over_no=newest_arrival(connection) if over_no is None else over_no,
        back_ms=incident.back_ms,
    )
    there = sum(count for origin, count in made.items() if origin in cut_off)
    money = {(row.event_id, row.fee) for row in rows if row.kind in _MONEY and row.fee}
    end_ms = incident.back_ms or time.time_ns() // 1_000_000
    return {
        "this_central": us,
        "cut_off": cut_off,
        "why": incident.outages[0].why,
        "from_ms": incident.lost_ms,
        "to_ms": incident.back_ms,
        "caught_up_ms": incident.over_ms,
        "lasts": incident.back_ms is None,
        "duration_s": max(0, end_ms - incident.lost_ms) // 1000,
        "events": made,
        "events_here": sum(made.values()) - there,
        "events_there": there,
        "conflicts": dict(Counter(row.kind for row in rows)),
        "conflict_events": sorted({row.event_id for row in rows}),
        "money": sum(fee for _, fee in money),
    }


def _with_times(story: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """The story with site times beside its times in ms."""
    times = {
        name.removesuffix("_ms"): site_time(ms, zone) if ms is not None else None
        for name, ms in story.items()
        if name.endswith("_ms")
    }
    return {**times, **story}


def _told(story: Mapping[str, Any], zone: ZoneInfo) -> str:
    begun = site_time(story["from_ms"], zone)
    ended = site_time(story["to_ms"], zone) if story["to_ms"] is not None else "now, it lasts"
    title = (
        f"{begun} to {ended} ({output.duration(story['duration_s'])}):"
        f" {', '.join(story['cut_off'])} {_WHY.get(story['why'], story['why'])}"
    )
    lines = [output.bad(title) if story["lasts"] else output.heading(title)]
    each = ", ".join(f"{origin} {output.count(n)}" for origin, n in story["events"].items())
    lines.append(
        f"made meanwhile: {output.plural(story['events_here'], 'event')} on this side,"
        f" {output.plural(story['events_there'], 'event')} on the other; {each or NONE}"
    )
    if story["caught_up_ms"] is not None:
        lines.append(f"all that is known of is here since {site_time(story['caught_up_ms'], zone)}")
    else:
        lines.append("not all of it is here yet")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(story["conflicts"].items()))
    lines.append(f"conflicts: {kinds or NONE}")
    lines.append(f"money affected: {story['money']:,}" if story["money"] else f"money: {NONE}")
    return "\n".join(
        [lines[0], *(output.paragraph(f"  {line}", rest="    ") for line in lines[1:])]
    )


def _last(times: Iterable[int | None]) -> int | None:
    """The last of all, None where one is missing."""
    known = list(times)
    return None if None in known else max(ms for ms in known if ms is not None)
