"""A tariff as it is written down: what each key may say, and what is wrong where it does not.

    {"rate": [{"camera_type": "car", "free_minutes": 10, "step": [...], "window": [...]}]}

Plain values in, a tariff out; files, lines and events belong to others.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from zparkd.core.site import CAMERA_TYPE
from zparkd.core.tariff import limits
from zparkd.core.tariff.fields import Checker, shown
from zparkd.core.tariff.line_map import Place
from zparkd.core.tariff.pricing import CURRENCY, Rate, Step
from zparkd.core.tariff.time_windows import Window

_RATE_KEYS = (
    "camera_type",
    "currency",
    "free_minutes",
    "round_to",
    "cap_24h",
    "lost_ticket",
    "step",
    "window",
)
_STEP_KEYS = ("until_minutes", "every_minutes", "amount")
_WINDOW_KEYS = ("from", "to", "amount")
_CURRENCY = re.compile("[A-Z]{3}")
_CLOCK = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]")
_MOST_MINUTES = limits.PRICED_DAYS_MAX * 24 * 60


def read_tariff(document: object) -> dict[str, Rate]:
    """The rates of a document by type of vehicle. Raises BadDocument."""
    check = Checker()
    table = check.table(document, (), ("rate",))
    if not check.faults and not table.get("rate"):
        check.fault(("rate",), "is missing; write [[rate]] for each type of vehicle")
    rates: dict[str, Rate] = {}
    for number, value in enumerate(check.items(table, (), "rate", limits.TARIFF_RATES)):
        rate = _rate(check, value, ("rate", number))
        if rate.camera_type in rates:
            text = f'"{rate.camera_type}" has a rate above; write each type once'
            check.fault(("rate", number, "camera_type"), text)
        rates[rate.camera_type] = rate
    check.done()
    size = len(msgspec.json.encode(document))
    if size > limits.TARIFF_BYTES:
        check.fault((), f"is {size:,} bytes of JSON; write at most {limits.TARIFF_BYTES:,}")
    check.done()
    return rates


def _rate(check: Checker, value: object, place: Place) -> Rate:
    table = check.table(value, place, _RATE_KEYS)
    camera_type = check.text(table, place, "camera_type") or ""
    if check.required(table, place, "camera_type", '"car"') and not CAMERA_TYPE.fullmatch(
        camera_type
    ):
        text = f"{shown(table['camera_type'])} is no type of vehicle; write one such as car"
        check.fault((*place, "camera_type"), text)
    currency = check.text(table, place, "currency")
    if currency is not None and not _CURRENCY.fullmatch(currency):
        text = f"{shown(currency)} is no currency; write its three capitals, such as {CURRENCY}"
        check.fault((*place, "currency"), text)
    most = limits.AMOUNT_MAX
    free = check.whole(table, place, "free_minutes", least=0, most=_MOST_MINUTES)
    lost_ticket = check.whole(table, place, "lost_ticket", least=0, most=most)
    rate = Rate(
        camera_type,
        currency or CURRENCY,
        free or 0,
        check.whole(table, place, "round_to", least=1, most=most),
        check.whole(table, place, "cap_24h", least=1, most=most),
        lost_ticket or 0,
        _steps(check, table, place),
        _windows(check, table, place),
    )
    if table and not table.get("step") and not table.get("window"):
        check.fault(
            place,
            "has neither step nor window; write [[rate.step]], with amount = 0 where it is free",
        )
    return rate


def _steps(check: Checker, rate: Mapping[str, object], place: Place) -> tuple[Step, ...]:
    values = check.items(rate, place, "step", limits.TARIFF_STEPS)
    steps = []
    before = 0
    for number, value in enumerate(values):
        at = (*place, "step", number)
        table = check.table(value, at, _STEP_KEYS)
        every = _minutes(check, table, at, "every_minutes")
        check.required(table, at, "every_minutes", "60 for each started hour")
        until = _minutes(check, table, at, "until_minutes")
        if number < len(values) - 1:
            check.required(table, at, "until_minutes", "where the next step begins, such as 60")
        elif "until_minutes" in table:
            text = "the last step goes on for ever; leave it out, or write a step after it"
            check.fault((*at, "until_minutes"), text)
        if until is not None and until <= before:
            text = f"{until} is not above {before}, where this step begins; write a later minute"
            check.fault((*at, "until_minutes"), text)
        before = until or before
        steps.append(Step(every or 1, _amount(check, table, at), until))
    return tuple(steps)


def _windows(check: Checker, rate: Mapping[str, object], place: Place) -> tuple[Window, ...]:
    windows = []
    for number, value in enumerate(check.items(rate, place, "window", limits.TARIFF_WINDOWS)):
        at = (*place, "window", number)
        table = check.table(value, at, _WINDOW_KEYS)
        since = _clock(check, table, at, "from")
        to = _clock(check, table, at, "to")
        if since and since == to:
            text = "is the same as from; write 00:00 and 24:00 for a whole day"
            check.fault((*at, "to"), text)
        windows.append(Window(since, to, _amount(check, table, at)))
    return tuple(windows)


def _minutes(check: Checker, table: Mapping[str, object], place: Place, name: str) -> int | None:
    return check.whole(table, place, name, least=1, most=_MOST_MINUTES)


def _amount(check: Checker, table: Mapping[str, object], place: Place) -> int:
    check.required(table, place, "amount", "15000")
    return check.whole(table, place, "amount", least=0, most=limits.AMOUNT_MAX) or 0


def _clock(check: Checker, table: Mapping[str, object], place: Place, name: str) -> str:
    if not check.required(table, place, name, '"06:00"'):
        return ""
    value = table[name]
    if isinstance(value, str) and (_CLOCK.fullmatch(value) or (value, name) == ("24:00", "to")):
        return value
    text = f'{shown(value)} is no time of day; write it in quotes as "HH:MM"'
    check.fault((*place, name), text)
    return ""


def written(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document that `read_tariff` took, with its keys in their usual order.

    So two that say the same are the same bytes, as far as they say it with the same words.
    """

    def ordered(table: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        return {name: table[name] for name in names if name in table}

    rates = []
    for rate in document["rate"]:
        plain = ordered(rate, _RATE_KEYS)
        if "step" in plain:
            plain["step"] = [ordered(step, _STEP_KEYS) for step in plain["step"]]
        if "window" in plain:
            plain["window"] = [ordered(window, _WINDOW_KEYS) for window in plain["window"]]
        rates.append(plain)
    return {"rate": rates}


def as_toml(document: Mapping[str, Any]) -> str:
    """A document that `read_tariff` took, as TOML to read, edit and set again."""
    lines: list[str] = []
    for rate in written(document)["rate"]:
        lines += ["[[rate]]", *_pairs(rate), ""]
        for name in ("step", "window"):
            for table in rate.get(name, []):
                lines += [f"[[rate.{name}]]", *_pairs(table), ""]
    return "\n".join(lines)


def _pairs(table: Mapping[str, Any]) -> list[str]:
    """Its numbers and strings; no string of a good document needs an escape."""
    return [
        f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}"
        for name, value in table.items()
        if not isinstance(value, list)
    ]
