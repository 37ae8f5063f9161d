"""`zparkctl tariff explain`: how the fee of a stay came about, and that it comes to the same again.

Read from the exit itself and from the tariff that it names; nobody is asked.
"""

from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import click

from zparkd.cli.commands.site.bill import table_of
from zparkd.cli.commands.site.lists import read_from
from zparkd.cli.context import Exit, fail, load_config
from zparkd.cli.output import plural, print_json
from zparkd.core.clock import site_time
from zparkd.core.events.event import Event, Facts, Position
from zparkd.core.gate import old_stays
from zparkd.core.gate.charges import computed_again
from zparkd.core.tariff.document import read_tariff
from zparkd.core.tariff.pricing import BUILT_IN, Tariff
from zparkd.storage.readers.reference import end_of_stay, tariff_at


class _Explained(NamedTuple):
    exit: Event
    facts: Facts
    tariff: Tariff | None
    fee_again: int | None


@click.command(epilog="Example: zparkctl tariff explain central-1_1764646200000_29A12345")
@click.argument("event_id", metavar="EVENT_ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def explain(file: Path, event_id: str, as_json: bool) -> None:
    """Say how the fee of a stay came about, and calculate it again; exit 1 where it differs.

    EVENT_ID is that of the stay, as `zparkctl history --json` has it.
    """
    zone = ZoneInfo(load_config(file, as_json=as_json).timezone)
    found = _explained(file, event_id, zone, as_json=as_json)
    if as_json:
        print_json(_fields(found, event_id))
    else:
        click.echo(_screen(found, zone))
    if found.fee_again not in (None, found.facts.fee):
        raise click.exceptions.Exit(Exit.NO)


def _explained(file: Path, event_id: str, zone: ZoneInfo, *, as_json: bool) -> _Explained:
    end = read_from(file, lambda held: end_of_stay(held, event_id), as_json=as_json)
    if end is None:
        message = f"{event_id}: no such stay here; zparkctl history --json has the ids of all"
        fail(Exit.NO, "no_such_stay", message, as_json=as_json)
    closer = end.event
    if closer is None:
        message = f"{event_id}: is inside; zparkctl edge detect says what it would pay now"
        fail(Exit.NO, "inside", message, as_json=as_json)
    if closer.facts is None or closer.facts.fee is None:
        message = f"{event_id}: ended without a fee, by {end.by}"
        fail(Exit.NO, "no_fee", message, as_json=as_json)
    tariff = _tariff(file, closer.facts, as_json=as_json)
    again = None
    if tariff is not None and closer.facts.edge_id != old_stays.EDGE:
        again = computed_again(closer.facts, closer.timestamp, tariff, zone)
    return _Explained(closer, closer.facts, tariff, again)


def _tariff(file: Path, facts: Facts, *, as_json: bool) -> Tariff | None:
    """The tariff that an exit was priced by; None where it is not here."""
    if facts.tariff is None:
        return BUILT_IN
    named = Position(*facts.tariff)
    held = read_from(file, lambda database: tariff_at(database, named), as_json=as_json)
    return Tariff(held.version, read_tariff(held.document), named) if held is not None else None


def _fields(found: _Explained, event_id: str) -> dict[str, Any]:
    facts = found.facts
    return {
        "event_id": event_id,
        "fee": facts.fee,
        "currency": facts.currency,
        "entry_ms": facts.entry_ms,
        "exit_ms": found.exit.timestamp,
        "priced_ms": facts.priced_ms or found.exit.timestamp,
        "tariff_version": facts.tariff_version,
        "tariff_set_by": facts.tariff[0] if facts.tariff is not None else None,
        "lost_ticket": facts.lost_ticket,
        "pass_until": facts.pass_until,
        "breakdown": list(facts.breakdown or ()),
        "fee_again": found.fee_again,
    }


def _screen(found: _Explained, zone: ZoneInfo) -> str:
    facts = found.facts
    until_ms = facts.priced_ms or found.exit.timestamp
    if facts.edge_id == old_stays.EDGE:
        by = "the earlier system"
    elif facts.tariff is None:
        by = "the built-in tariff"
    else:
        by = f"tariff version {facts.tariff_version}, set at {facts.tariff[0]}"
    lines = [f"by {by}"]
    if facts.entry_ms is not None:
        said = f"from {site_time(facts.entry_ms, zone)} to {site_time(until_ms, zone)}"
        minutes = max(1, -((facts.entry_ms - until_ms) // 60_000))
        quoted = ", when it was quoted" if facts.priced_ms is not None else ""
        lines.append(f"{said}{quoted}: {plural(minutes, 'minute')}")
    lines += ["", table_of(facts.breakdown or (), facts.fee or 0, str(facts.currency)), ""]
    if facts.edge_id == old_stays.EDGE:
        lines.append("calculated again: not possible, the earlier system charged it")
    elif found.fee_again is None:
        lines.append("calculated again: not possible here, what it names is missing")
    elif found.fee_again == facts.fee:
        lines.append("calculated again: the same")
    else:
        lines.append(f"calculated again: {found.fee_again:,}, which is not what was charged")
    return "\n".join(lines)
