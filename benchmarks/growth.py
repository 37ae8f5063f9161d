"""What years cost: one central that holds many events, beside an empty one.

Its database is filled by the production store with valid chains, as a peer's pages would be.
"""

import time
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.load import closed_loop
from benchmarks.site import UNLIMITED, Figures
from tests.fleet.load import SimulatedSite
from zparkd.client import EdgeClient
from zparkd.core.events.event import Event, Facts, Kind, Personal, Position, write
from zparkd.storage.store import Store
from zparkd.testbed.loopback import SITE, LoopbackSite

_FIRST_MS = 1_764_646_200_000
_PAGE = 1000
_INSIDE = 500
_STARTS = 3
_ASKED = 1000


def fill(path: Path, events: int) -> float:
    """Make a database of so many events; how many were taken in a second."""
    store = Store(path, "central-1", SITE, "Asia/Ho_Chi_Minh")
    made = SimulatedSite("growth", 1, _INSIDE).events(events)
    taken, seconds = 0, 0.0
    while page := list(islice(made, _PAGE)):
        seconds += _take(store, page)
        taken += len(page)
    store.close()
    return taken / seconds


def _take(store: Store, page: list[Event]) -> float:
    """Have the store take a page, all of it; the seconds that it took."""
    begin = time.perf_counter()
    for event in page:
        store.append(event)
    store.settle()
    store.commit()
    store.write_behind()
    return time.perf_counter() - begin


def grown(folder: Path, code: Path, events: int) -> Figures:
    """Start, answers, lookups and disk with so many events."""
    site = LoopbackSite(folder, 1)
    (central,) = site.centrals
    central.code = code
    central.config.write_text(central.config.read_text() + UNLIMITED)
    taken = fill(central.database, events) if events else 0.0
    starts = []
    with site:
        for _ in range(_STARTS):
            begin = time.perf_counter()
            central.start()
            starts.append(time.perf_counter() - begin)
            if len(starts) < _STARTS:
                central.stop()
        closed_loop(central.endpoint, 50, 1)
        ack = closed_loop(central.endpoint, _ASKED, 1)
        lookups = []
        with EdgeClient("bench", [central.endpoint]) as camera:
            for number in range(_ASKED // 2):
                begin = time.perf_counter()
                camera.detect(f"C{number:08d}")
                lookups.append(time.perf_counter() - begin)
        central.stop()
        size = central.database.stat().st_size
    return {
        "taken": taken,
        "start": sorted(starts)[_STARTS // 2],
        "ack p50": ack.p50,
        "detection p50": sorted(lookups)[len(lookups) // 2],
        "disk": size / events / 1e3 if events else 0.0,
    }


class _Stream:
    """Valid events of one central, one after the other."""

    def __init__(self, origin: str) -> None:
        self._origin, self._seq, self._prev = origin, 0, ""

    def says(self, kind: Kind, number: int, names: Position | None = None) -> Event:
        self._seq += 1
        ms = _FIRST_MS + 2000 * number
        paid: dict[str, Any] = {}
        if names is not None:
            paid = {"names": names, "entry_ms": ms, "fee": 5000, "currency": "VND"}
            ms += 1000
        event = write(
            Position(self._origin, _FIRST_MS, self._seq),
            kind,
            timestamp=ms,
            order=ms,
            prev=self._prev,
            facts=Facts(
                edge_id="gate-1",
                request_id=f"{self._origin}-{self._seq}",
                camera_type="car",
                **paid,
            ),
            personal=Personal(salt=f"{number:032x}", plate_id=f"29A{number:06d}"),
        )
        self._prev = event.hash
        return event


def out_of_order(folder: Path, events: int) -> Figures:
    """Pages taken where entries come first, and where their exits do (events a second)."""
    one, other = _Stream("central-2"), _Stream("central-3")
    entries = [one.says(Kind.ENTRY, number) for number in range(events // 2)]
    exits = [other.says(Kind.EXIT, number, entry.position) for number, entry in enumerate(entries)]
    return {
        "entries first": _taken_per_s(folder / "a.db", entries + exits),
        "exits first": _taken_per_s(folder / "b.db", exits + entries),
    }


def _taken_per_s(path: Path, events: list[Event]) -> float:
    store = Store(path, "central-1", SITE, "Asia/Ho_Chi_Minh")
    seconds = sum(_take(store, events[at : at + _PAGE]) for at in range(0, len(events), _PAGE))
    store.close()
    return len(events) / seconds
