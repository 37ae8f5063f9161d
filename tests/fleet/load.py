"""Sites that are simulated: valid chains of entries, closes and exits, as fast as wanted.

For the load of the fleet: the bytes are those of real events, made by `core`; only the cameras and
the disks of the sites are left out. No test lives here.
"""

import random
from collections.abc import Iterator

from zparkd.core.events.event import Event, Facts, Kind, Personal, Position, write

T0_MS = 1_764_646_200_000
EPOCH = (T0_MS // 1000) << 20


class SimulatedSite:
    """One site of one central, with up to so many vehicles inside."""

    def __init__(self, name: str, seed: int, most_inside: int = 200) -> None:
        self.name = name
        self._random = random.Random(f"{name} {seed}")
        self._most = most_inside
        self._inside: list[Event] = []
        self._seq, self._prev, self._now = 0, "", T0_MS
        self.inside = 0
        self.revenue = 0

    def events(self, count: int) -> Iterator[Event]:
        """The next events, about so many: what is begun is ended."""
        until = self._seq + count
        while self._seq < until:
            self._now += self._random.randrange(200, 2_000)
            full = len(self._inside) >= self._most
            if self._inside and (full or self._random.random() < 0.48):
                yield self._exit(self._inside.pop(self._random.randrange(len(self._inside))))
            else:
                number = self._random.randrange(10_000, 99_999)
                letter = self._random.choice("ABCDEFGH")
                entry = self._write(
                    Kind.ENTRY, f"{self._random.randrange(11, 99)}{letter}{number}", {}
                )
                yield entry
                self._now += 3_000
                yield self._write(Kind.CONFIRM, _plate(entry), _naming(entry))
                self._inside.append(entry)
                self.inside += 1

    def _exit(self, entry: Event) -> Event:
        fee = 25_000 * (1 + (self._now - entry.timestamp) // 3_600_000)
        self.inside -= 1
        self.revenue += fee
        more = {"fee": fee, "currency": "VND", **_naming(entry)}
        return self._write(Kind.EXIT, _plate(entry), more)

    def _write(self, kind: Kind, plate_id: str, more: dict[str, object]) -> Event:
        self._seq += 1
        event = write(
            Position("central-1", EPOCH, self._seq),
            kind,
            timestamp=self._now,
            order=self._now,
            prev=self._prev,
            facts=Facts(
                edge_id=f"gate-{self._random.randrange(4)}",
                request_id=f"{self.name}-{self._seq}",
                camera_type="car",
                confidence=0.97,
                **more,  # type: ignore[arg-type]
            ),
            personal=Personal(salt=f"{self._random.getrandbits(128):032x}", plate_id=plate_id),
        )
        self._prev = event.hash
        return event


def _plate(entry: Event) -> str:
    assert entry.personal is not None
    assert entry.personal.plate_id is not None
    return entry.personal.plate_id


def _naming(entry: Event) -> dict[str, object]:
    return {"names": entry.position, "entry_ms": entry.timestamp}
