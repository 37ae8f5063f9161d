"""`zparkctl tariff`: the site's tariff, checked, shown, set, and tried on a stay.

What a stay costs is calculated by the rules that the gates use.
"""

from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from zparkd.cli.commands.site.bill import table_of
from zparkd.cli.commands.site.explain import explain
from zparkd.cli.commands.site.lists import read_from
from zparkd.cli.context import load_config
from zparkd.cli.documents import origin, read_document, say_good, set_document
from zparkd.cli.output import NONE, plural, print_json
from zparkd.config.load import DEFAULT_PATH, SECTIONS
from zparkd.core.tariff.document import as_toml, read_tariff
from zparkd.core.tariff.pricing import Tariff, price
from zparkd.storage.readers.reference import site_tariff

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_FILE = click.argument("document", metavar="FILE", type=click.Path(path_type=Path))
_NEVER_SET: dict[str, Any] = {
    "version": None,
    "document": {"rate": []},
    "set_by": None,
    "set_ms": None,
}


@click.group(epilog="Example: zparkctl tariff check tariff.toml")
def tariff() -> None:
    """What stays cost: check, try, set and show the site's tariff."""


@tariff.command(epilog="Example: zparkctl tariff check tariff.toml")
@_FILE
@_AS_JSON
def check(document: Path, as_json: bool) -> None:
    """Say whether a tariff is good; if not, list all faults and exit 1. Needs no daemon."""
    _, rates = read_document(document, read_tariff, as_json=as_json)
    how = f": {plural(len(rates), 'rate')}: {', '.join(rates)}"
    say_good(document, how, as_json=as_json)


@tariff.command("set", epilog="Example: zparkctl tariff set tariff.toml")
@_FILE
@_AS_JSON
@click.pass_obj
def set_(file: Path, document: Path, as_json: bool) -> None:
    """Make a tariff the site's: it counts at every gate as soon as it is there.

    One that is at fault changes nothing; its faults are listed, exit 1.
    """
    value, _ = read_document(document, read_tariff, as_json=as_json)
    set_document(file, "tariff", document, value, as_json=as_json)


@tariff.command(epilog="Example: zparkctl tariff show > tariff.toml")
@_AS_JSON
@click.pass_obj
def show(file: Path, as_json: bool) -> None:
    """Print the site's tariff as TOML, ready to be edited and set again."""
    held = _held(file, as_json=as_json)
    if as_json:
        print_json(held or _NEVER_SET)
    elif held is None:
        click.echo(f"# tariff: {NONE}; a started hour costs 25,000 VND for a car, 5,000 for others")
    else:
        zone = _zone(file, as_json=as_json)
        click.echo(origin(held, zone))
        click.echo(as_toml(held["document"]), nl=False)


def _held(file: Path, *, as_json: bool) -> dict[str, Any] | None:
    """The site's tariff as this central has it; None where none was set."""
    return read_from(file, site_tariff, as_json=as_json)


tariff.add_command(explain)


def _moment(_ctx: click.Context, _option: click.Parameter, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f'{text!r} is no time; write one such as "2025-12-02 10:30:00"'
        ) from None


@tariff.command(
    epilog="Example: zparkctl tariff quote --file tariff.toml --camera-type car"
    ' --entry "2025-12-02 10:30:00" --exit "2025-12-02 11:31:00"'
)
@click.option(
    "--file",
    "document",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="This tariff.  [default: the site's]",
)
@click.option("--camera-type", metavar="T", default="car", show_default=True)
@click.option(
    "--entry", "entered", metavar="TIME", required=True, callback=_moment, help="Site time."
)
@click.option("--exit", "left", metavar="TIME", required=True, callback=_moment, help="Site time.")
@click.option("--lost-ticket", is_flag=True, help="With what a lost ticket costs.")
@_AS_JSON
@click.pass_obj
def quote(
    file: Path,
    /,
    document: Path | None,
    camera_type: str,
    *,
    entered: datetime,
    left: datetime,
    lost_ticket: bool,
    as_json: bool,
) -> None:
    """Say what a stay would cost, and how that comes about. Needs no daemon.

    A time without offset is the site's; one such as 2025-10-26T02:30+01:00 tells the two
    apart where clocks are set back.
    """
    zone = _zone(file, as_json=as_json)
    entry_ms, exit_ms = _ms(entered, zone), _ms(left, zone)
    if exit_ms < entry_ms:
        raise click.BadParameter("is before --entry", param_hint="--exit")
    if document is not None:
        _, rates = read_document(document, read_tariff, as_json=as_json)
    else:
        held = _held(file, as_json=as_json)
        rates = read_tariff(held["document"]) if held is not None else {}
    rate = Tariff(0, rates).rate(camera_type)
    priced = price(rate, entry_ms, exit_ms, zone, lost_ticket=lost_ticket)
    if as_json:
        print_json(priced._asdict())
    else:
        total = f"{plural(priced.minutes, 'minute')}, {priced.currency}"
        click.echo(table_of(priced.breakdown, priced.fee, total))


def _zone(file: Path, *, as_json: bool) -> ZoneInfo:
    """The site's time zone; where there is no configuration yet, the one that it would have."""
    if file == DEFAULT_PATH and not file.exists():
        return ZoneInfo(SECTIONS["central"]["timezone"].default)
    return ZoneInfo(load_config(file, as_json=as_json).timezone)


def _ms(moment: datetime, zone: tzinfo) -> int:
    at = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return round(at.timestamp() * 1000)
