"""`bin/crash`: power cuts under load, one after the other, and a judgement at the end.

Centrals of one site run as real processes, and cameras let vehicles in and out without pause,
asking again and elsewhere where they get no answer. A cycle takes the power of a central away
at a random moment, of two now and then, or of one that is just starting, and gives it back.
Then all are left to talk, and every open that a camera was told to have succeeded is looked
for in every database: it must be there, and count once.
"""

import random
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import click

from tests.support.cameras import FROM_AN_OLDER_CUT, Act, Traffic, cameras, told, wanted
from tests.support.harness import NO_LIMIT, Row, await_shown, shared, zparkctl
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, NeverHappened, wait_for

BACK_S = 30.0
EQUAL_S = 60.0
_PACE_S = 0.01  # of each camera: some hundred opens a second in all
_LONGEST_RUN_S = 0.4
_LONGEST_START_S = 0.6
_UNTIL_EQUAL = 20  # cycles after which all are let to talk once, so that dead ones hide nothing

Held = dict[tuple[str, int, int], bytes]


class Figures(NamedTuple):
    """What a run came to; `faults` is empty where every promise was kept."""

    cycles: int
    kills: int
    acknowledged: int
    recorded_twice: int
    retries: int
    refusals: int
    events: int
    lost: int
    doubled: int
    equal_after_s: float
    faults: list[str]

    def __str__(self) -> str:
        return (
            f"{self.cycles} cycles, {self.kills} SIGKILLs; {self.acknowledged} acknowledged opens:"
            f" {self.lost} lost, {self.doubled} doubled ({self.recorded_twice} were recorded at"
            f" two centrals and count once); {self.retries} calls that no central answered,"
            f" {self.refusals} refusals asked again; {self.events} events; all equal"
            f" {self.equal_after_s:.1f} s after the last request:"
            f" {'FAILED' if self.faults else 'passed'}"
        )


class Cuts:
    """Takes power away from the centrals of a running site. One at least is always left."""

    def __init__(self, site: LoopbackSite, chance: random.Random) -> None:
        self._centrals = site.centrals
        self._chance = chance
        self._pause = threading.Event()
        self.kills = 0

    def cycle(self) -> None:
        """One cycle: the power goes, at any moment, and comes back."""
        self._wait(_LONGEST_RUN_S)
        two = len(self._centrals) > 2 and self._chance.random() < 0.3
        victims = self._chance.sample(self._centrals, 2 if two else 1)
        for victim in victims:
            self._kill(victim)
            self._wait(_LONGEST_RUN_S / 4)
        for victim in victims:
            victim.launch()
        if self._chance.random() < 0.3:
            self._wait(_LONGEST_START_S)
            self._kill(victims[0])
            victims[0].launch()
        for victim in victims:
            wait_for(f"{victim.id} answers", victim.answers, BACK_S)

    def _kill(self, victim: LoopbackCentral) -> None:
        victim.kill()
        self.kills += 1

    def _wait(self, most_s: float) -> None:
        self._pause.wait(self._chance.uniform(0, most_s))


def run(folder: Path, centrals: int, cycles: Iterable[int], seed: int) -> Figures:
    """Run a site in `folder` through these cycles, and judge it. Raises NeverHappened."""
    with LoopbackSite(folder, centrals, more=NO_LIMIT) as site:
        site.start()
        site.wait_connected()
        cuts = Cuts(site, random.Random(seed))
        done = 0
        with Traffic(cameras(site.centrals, pace_s=_PACE_S)) as traffic:
            traffic.progress(20)
            for done, _ in enumerate(cycles, 1):
                cuts.cycle()
                if done % _UNTIL_EQUAL == 0:
                    site.wait_connected(BACK_S)
                    traffic.progress(20)
            acts = traffic.end()
        since = time.monotonic()
        faults = list(_apart(site))
        equal_after_s = time.monotonic() - since
        faults += _unequal(site, acts)
        faults += sorted({f"refused: {code}" for code in traffic.refusals} - _EXPECTED)
        lost, doubled, twice = _counted(site.centrals, acts)
        faults += [f"{lost} acknowledged opens lost"] if lost else []
        faults += [f"{doubled} acknowledged opens doubled"] if doubled else []
        faults += list(_self_checks(site.centrals))
        return Figures(
            done,
            cuts.kills,
            len(acts),
            twice,
            traffic.retries,
            len(traffic.refusals),
            len(_log(site.centrals[0])),
            lost,
            doubled,
            equal_after_s,
            faults,
        )


_EXPECTED = {f"refused: {code}" for code in FROM_AN_OLDER_CUT}


def _apart(site: LoopbackSite) -> Iterator[str]:
    """Whether centrals do not find together."""
    try:
        site.wait_connected(EQUAL_S)
        site.wait_equal(EQUAL_S)
    except NeverHappened as fault:
        yield str(fault)


def _unequal(site: LoopbackSite, acts: list[Act]) -> Iterator[str]:
    """What differs once all have had the time to talk."""
    logs = [_log(central) for central in site.centrals]
    histories = [shared(central) for central in site.centrals]
    for central, log, history in zip(site.centrals, logs, histories, strict=True):
        if log != logs[0]:
            yield f"the logs of {site.centrals[0].id} and {central.id} differ"
        if history != histories[0]:
            yield f"the histories of {site.centrals[0].id} and {central.id} differ"
        if told(history) != wanted(acts):
            off = (told(history) - wanted(acts)) + (wanted(acts) - told(history))
            yield f"{central.id} tells of other stays than the cameras: {dict(off)}"


def _counted(centrals: Sequence[LoopbackCentral], acts: list[Act]) -> tuple[int, int, int]:
    """How many acknowledged acts any central lost, counts twice, and has two records of."""
    lost: set[str] = set()
    doubled: set[str] = set()
    twice: set[str] = set()
    for central in centrals:
        rows = _read(
            central,
            "SELECT e.request_id, count(*) AS records, sum(v.verdict IS NULL) AS counting"
            " FROM events e LEFT JOIN verdicts v ON v.at = e.at GROUP BY e.edge_id, e.request_id",
        )
        held = {row["request_id"]: row for row in rows}
        for act in acts:
            row = held.get(act.request_id)
            if row is None or not row["counting"]:
                lost.add(act.request_id)
            elif row["counting"] > 1:
                doubled.add(act.request_id)
            elif row["records"] > 1:
                twice.add(act.request_id)
        ids = Counter(row["event_id"] for row in _read(central, "SELECT event_id FROM history"))
        doubled |= {id for id, count in ids.items() if count > 1}
    return len(lost), len(doubled), len(twice)


def _self_checks(centrals: Sequence[LoopbackCentral]) -> Iterator[str]:
    """What `zparkctl verify` finds: chains, and stays folded again from all events."""
    for central in centrals:
        checked = zparkctl(central.config, "verify")
        if checked.returncode:
            yield f"{central.id}: verify: {checked.stderr.strip()}"


def _log(central: LoopbackCentral) -> Held:
    rows = _read(
        central,
        "SELECT s.origin, s.epoch, e.at & 1099511627775 AS seq, e.skeleton || e.sealed AS bytes"
        " FROM events e JOIN streams s ON s.no = e.at >> 40",
    )
    return {(row["origin"], row["epoch"], row["seq"]): row["bytes"] for row in rows}


def _read(central: LoopbackCentral, query: str) -> list[Row]:
    address = f"{central.database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=5)) as connection:
        connection.row_factory = sqlite3.Row
        await_shown(central, connection)
        return [dict(row) for row in connection.execute(query)]


@click.command()
@click.option("--cycles", default=200, show_default=True, type=click.IntRange(min=1))
@click.option("--centrals", default=3, show_default=True, type=click.IntRange(2, 10))
@click.option("--seed", type=int, help="Of the choice of moments and victims [default: any].")
def main(cycles: int, centrals: int, seed: int | None) -> None:
    """Take power away from real centrals under load, CYCLES times, and see that nothing is lost.

    Exit status 0 where every acknowledged open is in every history once; else 1, what is wrong
    is said, and the folder with databases and logs is kept.

    Example: bin/crash --cycles 20 --centrals 2
    """
    seed = random.randrange(2**32) if seed is None else seed
    print(f"{cycles} cycles over {centrals} centrals, seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="zp-"))
    hidden = not sys.stderr.isatty()
    with click.progressbar(range(cycles), label="cycles", file=sys.stderr, hidden=hidden) as bar:
        figures = run(folder, centrals, bar, seed)
    for fault in figures.faults:
        print(fault)
    print(figures)
    if figures.faults:
        sys.exit(f"databases and logs are in {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
