"""`python -m benchmarks.plates`: how often the right stay is found for a misread plate, how fast.

A real central's database holds 20,000 vehicles that are inside. A poor camera (`benchmarks.glyphs`)
misreads the plates of 10,000 of them, and of as many others that were never seen entering. The same
seed gives the same set. With `--write` the table goes to docs/performance.md.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from statistics import median, quantiles

import click

from benchmarks.glyphs import read
from zparkd.core.events.event import Event, Facts, Kind, Personal, Position, VehicleKey, write
from zparkd.core.gate.candidates import Candidate, candidates, the_strong_one
from zparkd.core.gate.limits import CANDIDATES_SHOWN
from zparkd.storage.store import Store

REPORT = Path(__file__).parents[1] / "docs" / "performance.md"
INSIDE = 20_000
MISREADS = 10_000
_T0_MS = 1_764_646_200_000
_PROVINCES = ["29", "30", "29", "51", "59", "15", "43", "99", "88", "36"]
_SERIES = "ABCDEFGHKLMNPSTUVXYZ"


def plates(chance: Random) -> Iterator[VehicleKey]:
    """Vehicles with plates as they are in Vietnam, each once: three motorbikes to a car."""
    given = set()
    while True:
        series = chance.choice(_PROVINCES) + chance.choice(_SERIES)
        if chance.random() < 0.25:
            vehicle = VehicleKey("car", f"{series}{chance.randrange(100_000):05}")
        else:
            series += str(chance.randint(1, 9))
            vehicle = VehicleKey("motorbike", f"{series}{chance.randrange(100_000):05}")
        if vehicle.plate_id not in given:
            given.add(vehicle.plate_id)
            yield vehicle


def entries(vehicles: list[VehicleKey]) -> Iterator[Event]:
    """What a central records as they enter."""
    prev = ""
    for seq, vehicle in enumerate(vehicles, 1):
        ms = _T0_MS + seq
        event = write(
            Position("central-1", 1, seq),
            Kind.ENTRY,
            timestamp=ms,
            order=ms,
            prev=prev,
            facts=Facts("in-1", camera_type=vehicle.camera_type),
            personal=Personal("", plate_id=vehicle.plate_id),
        )
        prev = event.hash
        yield event


def misread(vehicle: VehicleKey, inside: set[str], chance: Random) -> str:
    """A plate as it was read wrong, and as nobody's who is inside."""
    while True:
        text = read(vehicle.plate_id, chance)
        if text != vehicle.plate_id and text not in inside and 3 <= len(text) <= 12:
            return text


def measure(store: Store, seed: int) -> list[tuple[str, str]]:
    """The figures, as rows of the table."""
    chance = Random(seed)
    drawn = plates(chance)
    vehicles = [next(drawn) for _ in range(INSIDE)]
    strangers = [next(drawn) for _ in range(MISREADS)]
    for event in entries(vehicles):
        store.append(event, new_act=True)
    store.commit()
    inside = {vehicle.plate_id for vehicle in vehicles}
    took: list[float] = []

    def asked(vehicle: VehicleKey) -> tuple[Candidate, ...]:
        text = misread(vehicle, inside, chance)
        start = time.thread_time()
        found = candidates(text, vehicle.camera_type, store.alike(text))
        took.append(time.thread_time() - start)
        return found

    begun = time.thread_time()
    store.alike("29A12345")
    first = time.thread_time() - begun
    right = [(it, asked(it)) for it in chance.sample(vehicles, MISREADS)]
    wrong = [(it, asked(it)) for it in strangers]

    def of(found: tuple[Candidate, ...], vehicle: VehicleKey) -> list[bool]:
        return [it.held.stay.vehicle == vehicle for it in found]

    def share(of_what: list[bool]) -> str:
        return f"{sum(of_what) / len(of_what):.1%}" if of_what else "none"

    decided = [(it, held) for it, found in right if (held := the_strong_one(found)) is not None]
    shown = [len(found[:CANDIDATES_SHOWN]) for _, found in right]
    taken = [the_strong_one(found) is not None for _, found in wrong]
    return [
        ("right stay among the candidates (recall)", share([any(of(f, it)) for it, f in right])),
        (
            f"right stay among the {CANDIDATES_SHOWN} that are shown",
            share([any(of(found[:CANDIDATES_SHOWN], it)) for it, found in right]),
        ),
        ("right stay first", share([any(of(found[:1], it)) for it, found in right])),
        (
            "first candidate is the right stay (precision)",
            share([of(found, it)[0] for it, found in right if found]),
        ),
        ("exactly one strong candidate", f"{len(decided) / len(right):.1%}"),
        (
            "that one is the right stay (precision of `accept`)",
            share([held.stay.vehicle == vehicle for vehicle, held in decided]),
        ),
        ("candidates shown, mean", f"{sum(shown) / len(shown):.2f}"),
        ("exactly one strong candidate where the vehicle never entered", share(taken)),
        ("first question after a start, of processor", f"{first * 1e3:.0f} ms"),
        *(
            (f"candidates found, of processor, {name}", f"{figure(took) * 1e3:.2f} ms")
            for name, figure in _FIGURES.items()
        ),
    ]


_FIGURES: dict[str, Callable[[list[float]], float]] = {
    "p50": median,
    "p99": lambda took: quantiles(took, n=100)[98],
    "p99.9": lambda took: quantiles(took, n=1000)[998],
}


@click.command()
@click.option("--seed", default=1, show_default=True)
@click.option("--write", "wanted", is_flag=True, help="Write docs/performance.md.")
def main(seed: int, wanted: bool) -> None:
    """Measure how well and how fast misread plates are found."""
    with tempfile.TemporaryDirectory(prefix="zparkd-bench-") as name:
        store = Store(Path(name) / "zparkd.db", "central-1", "lot-a", "Asia/Ho_Chi_Minh")
        rows = measure(store, seed)
        store.close()
    table = "| figure | |\n|---|---|\n" + "".join(f"| {name} | {said} |\n" for name, said in rows)
    print(table, end="")
    if wanted:
        before, _, rest = REPORT.read_text("utf-8").partition("<!-- plates -->\n")
        _, _, after = rest.partition("<!-- end of plates -->\n")
        marked = f"<!-- plates -->\n{table}<!-- end of plates -->\n"
        REPORT.write_text(before + marked + after, "utf-8")


if __name__ == "__main__":
    main()
