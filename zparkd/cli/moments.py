"""A time as people of the site write it on a command line, and as ms."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from zparkd.cli.context import load_config


def site_ms(file: Path, text: str, *, option: str, as_json: bool) -> int:
    """The ms of a moment of site time; a day means its beginning, an offset another zone.

    Ends the command where it is none; `option` is what it was given with.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f'{text!r} is no time; write one such as "2025-12-02 10:30:00"', param_hint=option
        ) from None
    zone = ZoneInfo(load_config(file, as_json=as_json).timezone)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)
