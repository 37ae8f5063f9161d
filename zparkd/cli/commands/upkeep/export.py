"""`zparkctl export`: all events, or all stays, as a file for other programs.

Read over a read-only connection, as they are in one moment, whatever the daemon does meanwhile.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any

import click
import orjson

from zparkd.cli.context import Exit, fail, load_config
from zparkd.cli.database import reading
from zparkd.cli.output import plural, print_json
from zparkd.config.atomic_file import new_file
from zparkd.core.reports import sheet
from zparkd.storage.readers import exports
from zparkd.storage.readers.connection import Connection

_WHAT = [what.value for what in exports.What]

Row = tuple[Any, ...]


class _Cannot(Exception):
    """Nothing was written. The text says why, and the way out."""


@click.command(epilog="Example: zparkctl export history --format csv --out history.csv")
@click.argument("what", metavar="events|history", type=click.Choice(_WHAT))
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    default="csv",
    show_default=True,
    help="csv opens in a spreadsheet; jsonl is one JSON object a line.",
)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to; never over another file.  [default: standard output]",
)
@click.option("--json", "as_json", is_flag=True, help="Print how many rows there are, as JSON.")
@click.pass_obj
def export(file: Path, what: str, form: str, out: Path | None, as_json: bool) -> None:
    """Write all events held here, or all stays, as a file for other programs.

    The stays have the columns of the view `history`, the events what they are found by, and both
    their parts as JSON. A file is readable for its owner alone: plates are in it. Parquet needs
    pyarrow, beside zparkd.
    """
    if out is None and (as_json or form == "parquet"):
        raise click.UsageError("--out FILE: is needed here")
    database = load_config(file, as_json=as_json).storage_path
    with reading(database, as_json=as_json) as connection:
        try:
            count = _exported(connection, what, form, out, as_json=as_json)
        except (_Cannot, OSError) as fault:
            reason = getattr(fault, "strerror", None) or str(fault)
            name = "not_exported"
            fail(Exit.NO, name, f"{out or 'standard output'}: {reason}", as_json=as_json)
    if as_json:
        print_json({"success": True, "path": str(out), "rows": count})
    elif out is not None:
        click.echo(f"{out}: {plural(count, 'event' if what == 'events' else 'stay')}")


def _exported(
    connection: Connection, what: str, form: str, out: Path | None, *, as_json: bool
) -> int:
    """Write all rows; how many there were. Raises _Cannot or OSError."""
    write = _WRITERS[form]()
    count = 0
    with (
        exports.export(connection, exports.What(what)) as found,
        _target(out) as target,
        _bar(found.total, out, as_json=as_json) as bar,
    ):

        def chunks() -> Iterator[list[Row]]:
            nonlocal count
            for rows in found.chunks:
                count += len(rows)
                yield rows
                if bar is not None:
                    bar.update(len(rows))

        write(target, found.columns, chunks())
    return count


@contextmanager
def _new_file(out: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name once it is whole. Raises _Cannot where one has it already."""
    try:
        if os.path.lexists(out):
            raise FileExistsError
        with new_file(out) as opened:
            yield opened
    except FileExistsError:
        raise _Cannot("exists, and is not overwritten; name another file") from None


def _target(out: Path | None) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(sys.stdout.buffer) if out is None else _new_file(out)


def _bar(total: int, out: Path | None, *, as_json: bool) -> AbstractContextManager[Any]:
    """A progress bar where somebody looks, else nothing."""
    if as_json or out is None or not sys.stderr.isatty():
        return nullcontext()
    return click.progressbar(length=max(1, total), label="exporting", file=sys.stderr)


Write = Callable[[IO[bytes], Sequence[str], Iterable[list[Row]]], None]


def _csv() -> Write:
    def write(target: IO[bytes], columns: Sequence[str], chunks: Iterable[list[Row]]) -> None:
        target.write(sheet.lines([tuple(columns)], mark=sheet.MARK))
        for rows in chunks:
            target.write(sheet.lines(rows))

    return write


def _jsonl() -> Write:
    def write(target: IO[bytes], columns: Sequence[str], chunks: Iterable[list[Row]]) -> None:
        for rows in chunks:
            lines = (orjson.dumps(_object(columns, row)) + b"\n" for row in rows)
            target.write(b"".join(lines))

    return write


def _object(columns: Sequence[str], row: Row) -> dict[str, object]:
    """A row as a JSON object; the parts of an event as what they say."""
    found: dict[str, object] = dict(zip(columns, row, strict=True))
    for part in ("skeleton", "personal"):
        text = found.get(part)
        if isinstance(text, str):
            with suppress(orjson.JSONDecodeError):  # what no event can say is told as it is
                found[part] = orjson.loads(text)
    return found


def _parquet() -> Write:
    try:
        import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]
        import pyarrow.parquet  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        python = sys.executable
        raise _Cannot(
            f"Parquet needs pyarrow; install it: {python} -m pip install pyarrow"
        ) from None

    def write(target: IO[bytes], columns: Sequence[str], chunks: Iterable[list[Row]]) -> None:
        schema = pyarrow.schema([(name, _type_of(pyarrow, name)) for name in columns])
        with pyarrow.parquet.ParquetWriter(target, schema) as writer:
            for rows in chunks:
                values = [list(column) for column in zip(*rows, strict=True)]
                writer.write_table(pyarrow.table(values, schema=schema))

    return write


_WHOLE = ("id", "seq", "epoch", "fee", "confirmed", "duration_s", "adjusted")


def _type_of(pyarrow: Any, column: str) -> Any:
    """The type of a column, the same for all files, also where all its values are null."""
    if column in _WHOLE or column.endswith("_ms"):
        return pyarrow.int64()
    return pyarrow.float64() if column == "confidence" else pyarrow.string()


_WRITERS: dict[str, Callable[[], Write]] = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
