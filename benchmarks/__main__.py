"""`python -m benchmarks`: floors and zparkd in one run, as a table of ratios.

With `--write` the table also goes to docs/performance.md. `--full` adds a central that holds a
million events. Medians over the rounds; on a busy machine only the ratios mean anything.
"""

import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click

from benchmarks.floors import chain_times, decoded_rows_per_s, rows_per_s
from benchmarks.site import CATCH_UP, everywhere_per_s, measure, measure_full, measure_keys

REPORT = Path(__file__).parents[1] / "docs" / "performance.md"
_MILLION = 1_000_000


class Table:
    """Rows of figures, each with the floor it is held against."""

    def __init__(self) -> None:
        self.lines = [
            "| figure | zparkd | floor | ratio | aim |",
            "|---|---|---|---|---|",
        ]

    def add(self, name: str, ours: float, floor: float, unit: str, aim: str) -> None:
        """One row; `floor` 0 where there is none."""
        show = {"ms": lambda v: f"{v * 1e3:.2f} ms", "/s": lambda v: f"{v:,.0f}/s"}.get(
            unit, lambda v: f"{v:.2f} {unit}"
        )
        beside = (show(floor), f"{ours / floor:.2f}") if floor else ("–", "–")
        self.lines.append(f"| {name} | {show(ours)} | {beside[0]} | {beside[1]} | {aim} |")
        print(self.lines[-1], flush=True)


def _medians(rounds: int, folder: Path, work: Callable[[Path], tuple[float, ...]]) -> list[float]:
    rows = []
    for number in range(rounds):
        inside = folder / f"{work.__name__}-{number}"
        inside.mkdir(parents=True)
        rows.append(work(inside))
    return [median(column) for column in zip(*rows, strict=True)]


def _of_floors(folder: Path) -> tuple[float, ...]:
    closed = chain_times(folder, 1000, 0.0)
    paced = chain_times(_made(folder / "paced"), 250, 0.01)
    return (
        closed.p50,
        closed.p99,
        paced.p50,
        rows_per_s(folder, 32),
        decoded_rows_per_s(folder),
    )


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _of_three(folder: Path) -> tuple[float, ...]:
    site = measure(folder, 3, 1000)
    return (
        site.closed.p50,
        site.closed.p99,
        site.paced.p50,
        site.busy.per_s,
        site.replication_p50,
        site.catch_up_per_s,
        site.rss_mb,
        site.idle_cpu,
    )


def _of_keys(folder: Path) -> tuple[float, ...]:
    return measure_keys(folder, 1000)


def _of_ten(folder: Path) -> tuple[float, ...]:
    return (everywhere_per_s(folder, 10, 6000),)


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Rounds to take medians of.")
@click.option("--full", is_flag=True, help="Also a central with a million events.")
@click.option("--write", is_flag=True, help="Write docs/performance.md.")
def main(rounds: int, full: bool, write: bool) -> None:
    """Measure zparkd beside the floors of this machine."""
    table = Table()
    print("\n".join(table.lines))
    with tempfile.TemporaryDirectory(prefix="zparkd-bench-") as name:
        folder = Path(name)
        floor = _medians(rounds, folder, _of_floors)
        three = _medians(rounds, folder, _of_three)
        table.add("ack p50, one edge", three[0], floor[0], "ms", "≤ 1.4")
        table.add("ack p99, one edge", three[1], floor[1], "ms", "")
        table.add("ack p50, one event per 10 ms", three[2], floor[2], "ms", "")
        table.add("acks, 32 edges, 3 centrals", three[3], floor[3], "/s", "≥ 0.2")
        table.add("seen at a peer, p50", three[4], floor[0], "ms", "")
        table.add(f"catch-up of {CATCH_UP:,}, start included", three[5], floor[4], "/s", "≥ 0.75")
        table.add("memory of a central", three[6], 0, "MB", "≤ 35 MB")
        table.add("idle CPU of a central", three[7], 0, "%", "≤ 0.5 %")
        keys = _medians(rounds, folder, _of_keys)
        table.add("ack p50 with keys, beside without", keys[0], three[0], "ms", "≤ 1.15")
        table.add("acks, 32 edges, with keys, beside without", keys[1], three[3], "/s", "≥ 0.75")
        table.add("catch-up with keys, beside without", keys[2], three[5], "/s", "≥ 0.75")
        (ten,) = _medians(max(1, rounds // 2), folder, _of_ten)
        table.add("acks, 10 centrals writing", ten, 0, "/s", "≈ 3,000/s")
        if full:
            held = measure_full(_made(folder / "million"), _MILLION)
            table.add("start with a million events", held.start_s, held.empty_start_s, "ms", "")
            table.add("ack p50 with a million", held.ack_p50, held.empty_ack_p50, "ms", "≤ 1.2")
            table.add(
                "lookup p50 with a million", held.lookup_p50, held.empty_lookup_p50, "ms", "≤ 1.2"
            )
    if write:
        _write(table, rounds)


def _write(table: Table, rounds: int) -> None:
    cpu = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    head, _, rest = (
        REPORT.read_text().partition("<!-- figures -->\n")
        if REPORT.exists()
        else (
            "# Performance\n\n",
            "",
            "",
        )
    )
    _, _, tail = rest.partition("<!-- end -->\n")
    figures = f"Medians of {rounds} rounds; {cpu}.\n\n" + "\n".join(table.lines) + "\n"
    REPORT.write_text(f"{head}<!-- figures -->\n{figures}<!-- end -->\n{tail}")
    print(f"written to {REPORT}", file=sys.stderr)


if __name__ == "__main__":
    main()
