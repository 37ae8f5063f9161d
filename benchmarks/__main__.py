"""`python -m benchmarks`: zparkd, the floors of this machine, older commits and peers, in one run.

All are measured once in every round, one after the other, and the medians are printed: on a machine
that drifts only ratios within one run mean anything. `--write` puts them into docs/performance.md.
"""

import compileall
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click

from benchmarks import floors, growth, site
from benchmarks.peers import nats, postgres, redis
from benchmarks.site import Figures
from zparkd.testbed.servers import missing_servers

HERE = Path(__file__).parents[1]
REPORT = HERE / "docs" / "performance.md"
_ACKS = 1000
_EVERYWHERE = 6000
_SIZES = (100_000, 1_000_000, 10_000_000)


class Row(NamedTuple):
    """One figure: what it is called, its unit, and the ratio to the older commit to aim at."""

    name: str
    text: str
    unit: str
    aim: str = ""


_SITE = [
    Row("ack p50", "ack p50, one edge", "ms", "≤ 0.8"),
    Row("ack p99", "ack p99, one edge", "ms", "≤ 0.6"),
    Row("paced p50", "ack p50, one event per 10 ms", "ms", "≤ 0.75"),
    Row("acks", "acks, 32 edges at 3 centrals", "/s", "≥ 1.9"),
    Row("10 centrals", "acks, 10 centrals writing", "/s", "≥ 2.0"),
    Row("processor, acceptor", "processor an event, acceptor", "us", "≤ 0.55"),
    Row("processor, peer", "processor an event, each peer", "us", "≤ 0.5"),
    Row("seen", "seen at a peer, p50", "ms", "≤ 0.2"),
    Row("catch-up", f"catch-up of {site.CATCH_UP:,}, start included", "/s", "≥ 3.0"),
    Row("serving p50", "ack p50 while a peer catches up", "ms"),
    Row("serving longest", "longest ack while a peer catches up", "ms", "100 ms"),
    Row("catching longest", "longest ack of who catches up", "ms"),
    Row("bytes", "written to disk an event, acceptor", "KB", "≤ 0.4"),
    Row("writes", "writing calls an event, acceptor", ""),
    Row("memory", "memory of a central", "MB", "32 MB"),
    Row("start", "start, until `status` answers", "ms", "150 ms"),
    Row("idle", "processor when idle", "%"),
    Row("ack p50, keys", "ack p50, one edge, with keys", "ms"),
    Row("acks, keys", "acks, 32 edges, with keys", "/s"),
    Row("catch-up, keys", "catch-up, with keys", "/s"),
]
_PEERS = [row for row in _SITE if row.name in {"ack p50", "ack p99", "acks", "seen", "catch-up"}]
_PEERS.append(Row("memory", "memory of the first", "MB"))
_GROWTH = [
    Row("start", "start, until `status` answers", "ms"),
    Row("ack p50", "ack p50, one edge", "ms"),
    Row("detection p50", "detection p50", "ms"),
    Row("disk", "disk an event", "KB"),
    Row("taken", "events taken while it was filled", "/s"),
]
_KEYS = [("ack p50", "≤ 1.1"), ("acks", "≥ 0.9"), ("catch-up", "≥ 0.8")]
Work = Callable[[Path, int], Figures]


def _floors(folder: Path, acks: int) -> Figures:
    closed = floors.chain_times(folder, acks, 0.0)
    paced = floors.chain_times(_made(folder / "paced"), acks // 4, 0.01)
    return {
        "ack p50": closed.p50,
        "ack p99": closed.p99,
        "paced p50": paced.p50,
        "acks": floors.rows_per_s(folder, site.EDGES),
        "catch-up": floors.decoded_rows_per_s(folder),
    }


def _zparkd(code: Path) -> Work:
    def measure(folder: Path, acks: int) -> Figures:
        return {
            **site.start(_made(folder / "start"), code),
            **site.three(_made(folder / "three"), code, acks),
            **site.with_keys(_made(folder / "keys"), code, acks),
            **site.everywhere(_made(folder / "ten"), code, _EVERYWHERE, 10),
        }

    return measure


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _peers() -> dict[str, Work]:
    missing = missing_servers()
    if missing is not None:
        print(f"no peers: {missing}", file=sys.stderr)
        return {}
    found: dict[str, Work] = {
        "PostgreSQL, bare": postgres.bare,
        "gate on PostgreSQL": postgres.gate,
        "NATS, in memory": nats.replicated,
    }
    if redis.is_installed():
        found["Redis, WAIT 1"] = redis.waited
    return found


@contextmanager
def _code_of(commit: str) -> Iterator[Path]:
    """The tree of a commit, for as long as it is measured."""
    with tempfile.TemporaryDirectory(prefix="zparkd-commit-") as name:
        tree = Path(name) / "tree"
        git = ["git", "-C", str(HERE), "worktree"]
        subprocess.run([*git, "add", "-q", "--detach", str(tree), commit], check=True)
        compileall.compile_dir(tree / "zparkd", quiet=2)  # as it is where it is installed
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def _measured(rounds: int, folder: Path, systems: dict[str, Work]) -> dict[str, Figures]:
    """The medians of each system; each is measured once in every round."""
    found: dict[str, list[Figures]] = {name: [] for name in systems}
    for number in range(rounds):
        for name, work in systems.items():
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            found[name].append(work(_made(folder / f"{name} {number}"), _ACKS))
            print(found[name][-1], file=sys.stderr, flush=True)
    return {
        name: {key: median(row[key] for row in rows) for key in rows[0]}
        for name, rows in found.items()
    }


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    scaled = value * {"ms": 1e3, "us": 1e6}.get(unit, 1)
    number = f"{scaled:,.0f}" if scaled >= 100 else f"{scaled:.3g}"
    return f"{number}{unit}" if unit == "/s" else f"{number} {unit}".strip()


def _ratio(ours: float | None, other: float | None) -> str:
    return f"{ours / other:.2f}" if ours is not None and other else "–"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _of_sites(found: dict[str, Figures], before: str | None) -> str:
    """zparkd beside the older commit and the floors."""
    ours, old, floor = found["zparkd"], found.get(before or "", {}), found["floors"]
    head = ["figure", "zparkd", f"at {before}" if before else "before", "ratio", "aim", "floor"]
    rows = [
        [
            row.text,
            _shown(ours.get(row.name), row.unit),
            _shown(old.get(row.name), row.unit),
            _ratio(ours.get(row.name), old.get(row.name)),
            row.aim,
            _shown(floor.get(row.name), row.unit),
        ]
        for row in _SITE
    ]
    for name, aim in _KEYS:
        beside = _ratio(ours[f"{name}, keys"], ours[name])
        rows.append([f"{name}, with keys beside without", "", "", beside, aim, ""])
    return _table(head, rows)


def _beside(rows: list[Row], found: dict[str, Figures]) -> str:
    """Systems side by side."""
    return _table(
        ["figure", *found],
        [[r.text, *(_shown(each.get(r.name), r.unit) for each in found.values())] for r in rows],
    )


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Rounds to take medians of.")
@click.option("--against", help="A commit to measure in the same rounds.")
@click.option("--peers", is_flag=True, help="Also PostgreSQL, Redis and NATS, where installed.")
@click.option("--grown", is_flag=True, help="Also with 0.1, 1 and 10 million events (20 minutes).")
@click.option("--write", is_flag=True, help="Write docs/performance.md.")
def main(rounds: int, against: str | None, peers: bool, grown: bool, write: bool) -> None:
    """Measure zparkd beside the floors of this machine."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zparkd-bench-")))
        systems: dict[str, Work] = {"floors": _floors, "zparkd": _zparkd(HERE)}
        if against:
            systems[against] = _zparkd(stack.enter_context(_code_of(against)))
        others = _peers() if peers else {}
        found = _measured(rounds, folder, systems | others)
        order = growth.out_of_order(_made(folder / "order"), site.CATCH_UP)
        cpu = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        parts = [f"Medians of {rounds} rounds; {cpu}.\n", _of_sites(found, against)]
        parts.append(
            f"Exits that come before their entries: {order['exits first']:,.0f} events/s, "
            f"{_ratio(order['exits first'], order['entries first'])} of the other order "
            "(aim ≥ 0.5).\n"
        )
        if others:
            parts.append(_beside(_PEERS, {"zparkd": found["zparkd"]} | _only(found, others)))
        if grown:
            sizes = {
                f"{size:,}": growth.grown(_made(folder / f"{size}"), HERE, size)
                for size in (0, *_SIZES)
            }
            parts.append(_beside(_GROWTH, sizes))
    text = "\n".join(parts)
    print(text)
    if write:
        _write(text)


def _only(found: dict[str, Figures], names: dict[str, Work]) -> dict[str, Figures]:
    return {name: found[name] for name in names}


def _write(text: str) -> None:
    head, _, rest = REPORT.read_text().partition("<!-- figures -->\n")
    _, _, tail = rest.partition("<!-- end -->\n")
    REPORT.write_text(f"{head}<!-- figures -->\n{text}<!-- end -->\n{tail}")
    print(f"written to {REPORT}", file=sys.stderr)


if __name__ == "__main__":
    main()
