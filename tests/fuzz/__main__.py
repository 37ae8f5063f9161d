"""`bin/fuzz`: hostile inputs for every decoder, and for the sockets of real centrals.

    bin/fuzz --inputs 1000000
    bin/fuzz --only edges --seed 7

Exit 0 where nothing crashed, hung or grew, and honest edges were answered in time.
"""

import multiprocessing
import os
import sys
import time

import click

from tests.fuzz.decoders import DECODERS
from tests.fuzz.shares import feed_share, shares


@click.command()
@click.option("--inputs", default=100_000, show_default=True, help="How many inputs in all.")
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same inputs.")
@click.option("--only", type=click.Choice(sorted(DECODERS)), help="One decoder alone.")
@click.option("--sockets/--no-sockets", default=True, help="Also attack running centrals.")
def main(inputs: int, seed: int, only: str | None, sockets: bool) -> None:
    """Feed hostile inputs to every decoder and socket of a central.

    Example: bin/fuzz --inputs 1000000
    """
    began, failed, total = time.monotonic(), 0, 0
    work = shares([only] if only else list(DECODERS), inputs, seed)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        for name, fed, fault in pool.starmap(feed_share, work, chunksize=1):
            total += fed
            if fault is not None:
                failed += 1
                print(f"FAILED {name}, {fault}", file=sys.stderr)
    if sockets and only is None:
        from tests.fuzz.sockets import attack

        attacked, fault = attack(seed, inputs // 20)
        total += attacked
        if fault is not None:
            failed += 1
            print(f"FAILED sockets, seed {seed}: {fault}", file=sys.stderr)
    print(f"{total:,} inputs in {time.monotonic() - began:.0f} s, {failed} shares failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
