"""What `zparkctl tariff`, `pass` and `staff` share: importing a list, and listing what is held."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from zparkd.cli.context import Exit, ask_daemon, fail, load_config, refuse
from zparkd.cli.database import reading
from zparkd.cli.documents import read_document
from zparkd.cli.output import print_json
from zparkd.core.tariff.line_map import Form
from zparkd.storage.readers.connection import Connection

_SHOWN = 10  # entries that could not be changed
PATIENCE_S = 10.0  # a long list takes the daemon a while to read
Row = dict[str, Any]
_Answer = TypeVar("_Answer")


def import_list(
    file: Path,
    document: Path,
    command: str,
    judge: Callable[[object], object],
    *,
    as_json: bool,
) -> None:
    """Have the daemon make its list this one, part by part, and say what that changed."""
    entries, _ = read_document(document, judge, as_json=as_json, form=Form.JSON)
    total = {"added": 0, "changed": 0, "removed": 0}
    left = 1
    outranked: list[Row] = []
    while left:
        answer = ask_daemon(file, command, as_json=as_json, timeout_s=PATIENCE_S, entries=entries)
        if answer.get("success") is not True:
            refuse(answer, as_json=as_json)
        for name in total:
            total[name] += answer[name]
        left = answer["left"]
        outranked = answer["outranked"]
    if outranked:
        more = f"\nand {len(outranked) - _SHOWN:,} more" if len(outranked) > _SHOWN else ""
        message = "\n".join(lost["text"] for lost in outranked[:_SHOWN]) + more
        lost = [{key: one[key] for key in ("what", "by", "order")} for one in outranked]
        fail(Exit.NO, "outranked", message, as_json=as_json, **total, outranked=lost)
    if as_json:
        print_json({"success": True, **total})
        return
    done = ", ".join(f"{number:,} {name}" for name, number in total.items() if number)
    assert isinstance(entries, list), "it was judged"
    click.echo(f"{document}: {len(entries):,} in the list: {done or 'all as before'}")


def read_from(file: Path, question: Callable[[Connection], _Answer], *, as_json: bool) -> _Answer:
    """What the database of this central says to a question, without asking the daemon."""
    database = load_config(file, as_json=as_json).storage_path
    with reading(database, as_json=as_json) as connection:
        return question(connection)
