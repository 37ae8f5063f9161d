"""A fee with its breakdown, as a table for people."""

from collections.abc import Iterable

from zparkd.cli.output import NONE, UNKNOWN, table
from zparkd.core.tariff.pricing import Line


def table_of(breakdown: Iterable[Line], fee: int, total: str) -> str:
    """A line for each part of the fee, and the sum under the words `total`."""
    rows = [(_words(line), _amount(line.get("amount"))) for line in breakdown]
    return table(("FOR", "AMOUNT"), [*rows, (total, f"{fee:,}")], right=("AMOUNT",))


def _amount(value: int | str | None) -> str:
    return f"{value:,}" if isinstance(value, int) else UNKNOWN


def _words(line: Line) -> str:
    """What a line is for; another program may have written it, so it may say anything."""
    try:
        return _of_rule(line)
    except (KeyError, ValueError):
        return str(line.get("rule", NONE))


def _of_rule(line: Line) -> str:
    match line["rule"]:
        case "free":
            return f"free: at most {line['free_minutes']} minutes"
        case "step":
            times = f"{line['blocks']:,} x {line['every_minutes']} min from minute"
            return f"{times} {line['from_minutes']:,}, {line['each']:,} each"
        case "window":
            return f"{line['times']:,} x {line['from']}-{line['to']}, {line['each']:,} each"
        case "cap":
            return f"over {line['cap_24h']:,} in 24 hours"
        case "limit":
            return f"no fee is over {line['limit']:,}"
        case "round":
            return f"rounded up to {line['round_to']:,}"
        case "lost_ticket":
            return "lost ticket"
        case "pass":
            return f"pass until {line['valid_until']}"
    return str(line["rule"] or NONE)
