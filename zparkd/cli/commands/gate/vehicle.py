"""`zparkctl vehicle`: all that is known of a vehicle, and what people say was otherwise."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from zparkd.cli.context import Exit, ask_daemon, fail, load_config, refuse
from zparkd.cli.database import reading
from zparkd.cli.moments import site_ms
from zparkd.cli.output import NONE, heading, plural, print_json, table
from zparkd.core.clock import site_time
from zparkd.core.events.event import Kind
from zparkd.core.events.ids import shown_plate
from zparkd.core.gate.by_hand import OFF_THE_WATCH_LIST
from zparkd.core.plates import normalise_plate
from zparkd.storage.readers.vehicles import Judged, Story, nearest, story

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_EVENT = click.argument("event_id", metavar="EVENT_ID")
_STAFF = click.option("--staff", metavar="ID", required=True, help="Who says so.")
_REASON = click.option("--reason", metavar="TEXT", required=True, help="Why.")
_TYPE = click.option("--camera-type", metavar="T", help="Of this type of vehicle.")
_EVENTS = 1_000  # of a vehicle, the newest
_Row = dict[str, Any]


@click.group(epilog="Example: zparkctl vehicle show 29A-123.45")
def vehicle() -> None:
    """All that is known of a vehicle, and what people say was otherwise.

    Nothing is rewritten: what people say is recorded beside it, with who and why, reaches all
    centrals, and can itself be made void. EVENT_ID is that of a stay, or of any event that
    `vehicle show` lists.
    """


def _plate(_ctx: click.Context, _option: click.Parameter, text: str) -> str:
    try:
        return normalise_plate(text)
    except ValueError as fault:
        raise click.BadParameter(str(fault)) from None


@vehicle.command(epilog="Example: zparkctl vehicle show 29A-123.45 --camera-type car")
@click.argument("plate_id", metavar="PLATE", callback=_plate)
@_TYPE
@_AS_JSON
@click.pass_obj
def show(file: Path, plate_id: str, camera_type: str | None, as_json: bool) -> None:
    """Show the stays of a vehicle, and every event of it with its id, oldest first.

    Also who decided what and why, what was recorded under another plate, and what was corrected.
    """
    config = load_config(file, as_json=as_json)
    zone = ZoneInfo(config.timezone)
    with reading(config.storage_path, as_json=as_json) as connection:
        found = story(connection, plate_id, _EVENTS, camera_type)
        if not found.events and not found.stays:
            alike = nearest(connection, plate_id)
            hint = f"; known here and alike: {', '.join(alike)}" if alike else ""
            of = f" ({camera_type})" if camera_type is not None else ""
            message = f"{plate_id}{of}: no vehicle with this plate was ever here{hint}"
            fail(Exit.NO, "unknown_plate", message, as_json=as_json, nearest=alike)
    events = [_event(one, zone) for one in found.events]
    if as_json:
        print_json({"plate_id": plate_id, "stays": found.stays, "events": events})
        return
    click.echo(_stays(found))
    click.echo()
    headers = ("TIME", "WHAT", "EVENT ID", "AT", "WHO", "WHY", "CAME TO")
    click.echo(table(headers, [_line(event) for event in events]))


def _stays(found: Story) -> str:
    if not found.stays:
        return f"stays: {NONE}"
    headers = ("STAY", "TYPE", "IN", "OUT", "CLOSED BY", "FEE", "ADJUSTED", "REMARKS")
    rows = [
        (
            row["event_id"],
            row["camera_type"],
            row["entry_time"],
            row["exit_time"] or "inside",
            row["closed_by"] or NONE,
            _money(row["fee"]),
            _money(row["adjusted"]),
            row["remarks"] or NONE,
        )
        for row in found.stays
    ]
    return table(headers, rows, right=("FEE", "ADJUSTED"))


def _event(one: Judged, zone: ZoneInfo) -> _Row:
    event, facts, personal = one.event, one.event.facts, one.event.personal
    return {
        "event_id": event.event_id,
        "kind": event.kind,
        "time": site_time(event.timestamp, zone),
        "time_ms": event.timestamp,
        "central": event.position.origin,
        "edge_id": facts.edge_id if facts is not None else None,
        "plate_id": shown_plate(personal.plate_id) if personal is not None else None,
        "plate_read": personal.plate_read if personal is not None else None,
        "camera_type": facts.camera_type if facts is not None else None,
        "names": list(event.names) if event.names is not None else None,
        "position": list(event.position),
        "fee": facts.fee if facts is not None else None,
        "amount": facts.amount if facts is not None else None,
        "forced": facts is not None and facts.forced,
        "staff_id": (facts and facts.staff_id) or (personal and personal.staff_id),
        "reason": (facts and facts.reason) or (personal and personal.reason),
        "by": str(facts.by) if facts is not None and facts.by is not None else None,
        "verdict": one.verdict,
        "stay": one.stay,
    }


_WORDS: dict[str, str] = {
    Kind.ENTRY: "entry",
    Kind.CONFIRM: "passed",
    Kind.EXIT: "exit",
    Kind.SEEN: "seen",
    Kind.NOT_TAKEN: "not taken",
    Kind.CORRECTED: "corrected",
    Kind.CLOSED: "closed",
    Kind.VOIDED: "void",
    Kind.CHARGED: "charged",
}


def _line(event: _Row) -> tuple[str, ...]:
    what = _WORDS.get(event["kind"]) or str(event["kind"])
    if event["forced"]:
        what = f"forced {what}"
    if event["kind"] == Kind.CORRECTED:
        what = f"corrected: {event['plate_id']} ({event['camera_type']})"
    money = event["amount"] if event["kind"] == Kind.CHARGED else event["fee"]
    if money is not None:
        what += f", {money:,}"
    if event["plate_read"] is not None:
        what += f", read {event['plate_read']}"
    who = [word for word in (event["staff_id"], event["by"]) if word]
    came_to = event["verdict"] or (f"stay {event['stay']}" if event["stay"] else NONE)
    return (
        event["time"],
        what,
        event["event_id"] or NONE,
        f"{event['central']}/{event['edge_id'] or NONE}",
        ", ".join(who) or NONE,
        event["reason"] or NONE,
        came_to,
    )


@vehicle.command(
    epilog="Example: zparkctl vehicle correct central-1_1733140800000_29A12346"
    ' --plate 29A-123.45 --staff nv01 --reason "misread at the entry"'
)
@_EVENT
@click.option("--plate", metavar="NEW", required=True, help="The vehicle that it was.")
@_TYPE
@_STAFF
@_REASON
@_AS_JSON
@click.pass_obj
def correct(file: Path, /, as_json: bool, **said: Any) -> None:
    """Say that an entry was of another vehicle: its stay is that one's, under the same id.

    The exit and the confirmation that name the entry go with it. An exit without an entry can be
    another vehicle's too, and ends the stay of that one.
    """
    _tell(file, "vehicle.correct", as_json=as_json, **said)


@vehicle.command(
    epilog="Example: zparkctl vehicle close central-1_1733140800000_29A12345"
    ' --at "2025-12-02 18:00" --fee 25000 --staff nv01 --reason "left unseen"'
)
@_EVENT
@click.option("--at", metavar="TIME", help="When it left; site time.  [default: now]")
@click.option("--fee", metavar="N", type=click.IntRange(min=0), help="What was taken for it.")
@_STAFF
@_REASON
@_AS_JSON
@click.pass_obj
def close(file: Path, /, as_json: bool, at: str | None, **said: Any) -> None:
    """End an open stay by hand. Should its exit come to light, that counts instead."""
    at_ms = _at_ms(file, at, as_json=as_json) if at is not None else None
    _tell(file, "vehicle.close", as_json=as_json, at_ms=at_ms, **said)


@vehicle.command(
    epilog='Example: zparkctl vehicle enter 29A-123.45 --at "2025-12-02 10:30" --staff nv01'
    ' --reason "camera was off"'
)
@click.argument("plate", metavar="PLATE")
@click.option("--at", metavar="TIME", required=True, help="When it came in; site time.")
@_TYPE
@_STAFF
@_REASON
@_AS_JSON
@click.pass_obj
def enter(file: Path, /, as_json: bool, at: str, **said: Any) -> None:
    """Record an entry that no camera saw; of a car, where no type is said."""
    _tell(file, "vehicle.enter", as_json=as_json, at_ms=_at_ms(file, at, as_json=as_json), **said)


@vehicle.command(
    epilog="Example: zparkctl vehicle void central-1_1733140800000_29A12345 --exit --staff nv01"
    ' --reason "another car left"'
)
@_EVENT
@click.option("--exit", "exit", is_flag=True, help="What ended the stay, not its entry.")
@_STAFF
@_REASON
@_AS_JSON
@click.pass_obj
def void(file: Path, /, as_json: bool, **said: Any) -> None:
    """Say that an event never happened, or undo what was said of one.

    An entry takes its stay out of the history; an exit opens it again. A correction, and a void
    too, can be void.
    """
    _tell(file, "vehicle.void", as_json=as_json, **said)


@vehicle.command(
    epilog="Example: zparkctl vehicle charge central-1_1733140800000_29A12345 --amount -5000"
    ' --staff nv01 --reason "refund"'
)
@_EVENT
@click.option("--amount", metavar="N", type=int, required=True, help="Negative: given back.")
@_STAFF
@_REASON
@_AS_JSON
@click.pass_obj
def charge(file: Path, /, as_json: bool, **said: Any) -> None:
    """Record money that was taken for a stay afterwards, or given back."""
    _tell(file, "vehicle.charge", as_json=as_json, **said)


@vehicle.command(
    epilog='Example: zparkctl vehicle erase 29A-123.45 --staff nv01 --reason "asked to"'
)
@click.argument("plate", metavar="PLATE")
@_TYPE
@_STAFF
@_REASON
@_AS_JSON
@click.pass_obj
def erase(file: Path, /, as_json: bool, **said: Any) -> None:
    """Forget what is personal of a vehicle, on every central: its plate, and its passes.

    Its stays go on counting, without a plate. It can't be undone, and not while it is inside. What
    the watch list of the policy says stays there until somebody takes it off.
    """
    said["staff_id"] = said.pop("staff")
    answer = ask_daemon(file, "vehicle.erase", as_json=as_json, **said)
    if answer.get("success") is not True:
        refuse(answer, as_json=as_json)
    if as_json:
        print_json(answer)
        return
    click.echo(
        f"{plural(answer['erased'], 'event')} forgotten here; other centrals follow, one that is"
        " away when it is back"
    )
    click.echo(
        "backups, exports, bundles and journals that were made before still hold them", err=True
    )
    if (watched := answer.get("watched")) is not None:
        click.echo(
            f"the plate stands on the watch list of the policy ({watched}), and stays there;"
            f" {OFF_THE_WATCH_LIST}",
            err=True,
        )


def _at_ms(file: Path, at: str, *, as_json: bool) -> int:
    return site_ms(file, at, option="--at", as_json=as_json)


def _tell(file: Path, command: str, *, as_json: bool, **said: Any) -> None:
    """Have the daemon record it; print what it recorded, and what the stay is now."""
    said["staff_id"] = said.pop("staff")
    answer = ask_daemon(file, command, as_json=as_json, **said)
    if answer.get("success") is not True:
        refuse(answer, as_json=as_json)
    if as_json:
        print_json(answer)
        return
    recorded, stay = answer["recorded"], answer["stay"]
    click.echo(f"recorded {recorded['kind']} {recorded['event_id']}, {recorded['time']}")
    if stay is None:
        click.echo(f"{heading('stay now:')} {NONE}")
        return
    left = f"left {stay['exit_time']} ({stay['closed_by']})" if stay["exit_time"] else "inside"
    money = f"fee {_money(stay['fee'])}, adjusted {_money(stay['adjusted'])}"
    click.echo(
        f"{heading('stay now:')} {stay['event_id']}: {stay['plate_id']} ({stay['camera_type']}),"
        f" in {stay['entry_time']}, {left}, {money}, remarks {stay['remarks'] or NONE}"
    )


def _money(amount: int | None) -> str:
    return NONE if amount is None else f"{amount:,}"
