"""What a start decides before the loop begins."""

from pathlib import Path

import pytest

from tests.sim.machine import IN_MEMORY
from tests.support.vehicles import Book
from zparkd.core import limits
from zparkd.core.events.event import Stream
from zparkd.daemon.main import new_stream
from zparkd.storage.store import Store


@pytest.fixture
def store():
    store = Store(Path(IN_MEMORY), "central-1", "lot-a", "UTC")
    yield store
    store.close()


def no_bits(count: int) -> int:
    return 0


def all_bits(count: int) -> int:
    return 2**count - 1


@pytest.mark.parametrize("bits", [no_bits, all_bits])
@pytest.mark.parametrize("wall_s", [-(10**9), 0, 1_800_000_000, 2**33, 2**62])
def test_an_epoch_is_one_that_can_be_written_whatever_the_clock_shows(store, bits, wall_s) -> None:
    stream = new_stream("central-1", store, wall_s, bits)
    assert 1 <= stream.epoch <= limits.EPOCH_MAX


@pytest.mark.parametrize("wall_s", [0, 1_800_000_000, 2**33])
def test_an_epoch_is_above_all_of_ours(store, wall_s) -> None:
    book = Book()
    for origin, at_s in (("central-1", 1_900_000_000), ("central-2", 2_000_000_000)):
        store.append(book.entry(Stream(origin, at_s << 20), 1))
    assert new_stream("central-1", store, wall_s, no_bits).epoch > 1_900_000_000 << 20
