"""`bin/sim`: replay one seed with a trace, or run many on all cores and name those that fail."""

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from multiprocessing import get_context
from types import FrameType

import click

from tests.sim.mutants import MUTANTS
from tests.sim.plans import plan_of
from tests.sim.runs import run

LONGEST_S = 60  # of processor time: a run takes a fraction of a second; what takes this long hangs
FAILED = 1
SEEDS_OF_A_MUTANT = 300
NAMED_AT_MOST = 50  # seeds in the last line


def _hangs(_: int, frame: FrameType | None) -> None:
    raise AssertionError(f"hangs: {LONGEST_S} s were not enough; it was at {frame}")


def judge(job: tuple[int, str | None]) -> tuple[int, str | None]:
    """A seed, and what was wrong with its run; None where nothing was."""
    seed, mutant = job
    signal.signal(signal.SIGPROF, _hangs)
    signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
    try:
        with MUTANTS[mutant].planted() if mutant else nullcontext():
            run(seed)
    except Exception as fault:
        return seed, str(fault) if isinstance(fault, AssertionError) else repr(fault)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return seed, None


def sweep(seeds: range, mutant: str | None, jobs: int) -> Iterator[tuple[int, str | None]]:
    """Judge all these seeds, on so many cores; as they come."""
    with get_context("spawn").Pool(jobs) as pool:
        work = ((seed, mutant) for seed in seeds)
        yield from pool.imap_unordered(judge, work, chunksize=4)


def _first_caught(name: str, runs: int, jobs: int) -> tuple[int, str] | None:
    """The first seed that shows a mutant, and what is said of it; None where none does."""
    seeds = [seed for seed in range(runs) if MUTANTS[name].meets(plan_of(seed))]
    with get_context("fork").Pool(jobs) as pool:
        work = ((seed, name) for seed in seeds)
        for seed, fault in pool.imap(judge, work):
            if fault is not None and re.search(MUTANTS[name].says, fault):
                pool.terminate()
                return seed, fault
    return None


def _try_mutants(runs: int, jobs: int) -> int:
    survived = []
    for name in MUTANTS:
        caught = _first_caught(name, runs, jobs)
        if caught is None:
            survived.append(name)
            click.echo(f"{name}: SURVIVES {runs} seeds")
        else:
            seed, fault = caught
            click.echo(f"{name}: seed {seed}: {fault.splitlines()[0][:120]}")
    if survived:
        click.echo(f"{len(MUTANTS)} mutants, {len(survived)} SURVIVED: {' '.join(survived)}")
        return FAILED
    click.echo(f"{len(MUTANTS)} mutants, all caught within {runs} seeds")
    return 0


def _sweep(seeds: range, mutant: str | None, jobs: int) -> int:
    began = time.monotonic()
    failed: list[int] = []
    judged = sweep(seeds, mutant, jobs)
    on_terminal = sys.stderr.isatty()
    bar = click.progressbar(judged, len(seeds), file=sys.stderr) if on_terminal else judged
    with bar if on_terminal else nullcontext(bar) as results:
        for seed, fault in results:
            if fault is not None:
                failed.append(seed)
                if on_terminal:
                    click.echo("\r\x1b[K", nl=False, err=True)
                click.echo(f"seed {seed} failed: {fault.splitlines()[0][:300]}")
    took = f"{time.monotonic() - began:.0f} s"
    last = seeds[-1] if len(seeds) > 1 else seeds[0]
    what = f"{len(seeds)} runs, seeds {seeds[0]} to {last}, in {took}"
    if not failed:
        click.echo(f"{what}: all passed")
        return 0
    named = " ".join(map(str, sorted(failed)[:NAMED_AT_MOST]))
    more = " and more" if len(failed) > NAMED_AT_MOST else ""
    click.echo(
        f"{what}: {len(failed)} FAILED: {named}{more}; replay one with bin/sim --seed {failed[0]}"
    )
    return FAILED


def _replay(seed: int, mutant: str | None) -> int:
    try:
        with MUTANTS[mutant].planted() if mutant else nullcontext():
            world = run(seed, click.echo)
    except AssertionError as fault:
        click.echo(f"seed {seed} failed: {fault}")
        return FAILED
    events = sum(world.ledger.held["central-1"].values())
    click.echo(
        f"seed {seed} passed: {len(world.centrals)} centrals, {events} events,"
        f" {len(world.ledger.acks)} times yes, {world.now_ms / 1000:.1f} s of their time"
    )
    return 0


@click.command()
@click.option("--seed", type=click.IntRange(min=0), help="The seed to replay, or to begin with.")
@click.option(
    "--runs", type=click.IntRange(min=1), help="Run so many seeds, and name the bad ones."
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes [default: one for each core].")
@click.option(
    "--mutant",
    type=click.Choice(sorted(MUTANTS)),
    help="With a fault planted in the code, which must be found.",
)
@click.option(
    "--mutants", is_flag=True, help="Each planted fault in turn: on which seed it is found."
)
def main(
    seed: int | None, runs: int | None, jobs: int | None, mutant: str | None, mutants: bool
) -> None:
    """Simulate sites under faults, each from one seed, and judge them once they are healed.

    \b
    bin/sim --seed 17              one run, with a trace of all that happens
    bin/sim --runs 500             seeds 0 to 499, on all cores
    bin/sim --runs 500 --seed 4000 seeds 4000 to 4499
    bin/sim --mutants              each planted fault, within 300 seeds
    """
    cores = jobs or len(os.sched_getaffinity(0))
    if mutants:
        sys.exit(_try_mutants(runs or SEEDS_OF_A_MUTANT, cores))
    if seed is None and runs is None:
        raise click.UsageError("say --seed N to replay one run, --runs N to try many, or --mutants")
    if runs is None:
        sys.exit(_replay(seed or 0, mutant))
    first = seed or 0
    sys.exit(_sweep(range(first, first + runs), mutant, cores))


if __name__ == "__main__":
    main(prog_name="bin/sim")
