"""Sync requests that wait: each asker in its turn, and nobody's flood is another's loss."""

from hypothesis import given
from hypothesis import strategies as st

from zparkd.core.replication import limits
from zparkd.core.turn import SyncRequest
from zparkd.daemon.sync_queue import SyncQueue


def request(speaker: str | None, number: int, way_back: bytes = b"x") -> SyncRequest:
    return SyncRequest((way_back,), [b"%d" % number], speaker)


def taken(waiting: SyncQueue) -> list[tuple[str | None, bytes]]:
    all_ = [waiting.popleft() for _ in range(len(waiting))]
    return [(one.speaker, one.frames[0]) for one in all_]


def test_one_that_asks_without_end_loses_its_own_oldest_and_holds_up_nobody() -> None:
    waiting = SyncQueue()
    waiting.extend(request("central-9", number) for number in range(10_000))
    waiting.extend([request("central-2", 0)])
    most = limits.SYNC_REQUESTS_OF_ONE
    order = taken(waiting)
    assert len(order) == most + 1
    assert order[0] == ("central-9", b"%d" % (10_000 - most))
    assert order[1] == ("central-2", b"0")


def test_without_keys_each_connection_is_an_asker() -> None:
    waiting = SyncQueue()
    waiting.extend(request(None, number, b"one") for number in range(100))
    waiting.extend([request(None, 7, b"two")])
    assert taken(waiting)[1] == (None, b"7")


@given(st.lists(st.integers(0, 400), max_size=600))
def test_there_are_never_more_than_the_limit(askers: list[int]) -> None:
    waiting = SyncQueue()
    waiting.extend(request(f"c{asker}", n) for n, asker in enumerate(askers))
    assert len(waiting) <= limits.SYNC_REQUESTS_WAITING
    order = taken(waiting)
    assert len(order) == len(set(order)) <= len(askers)
    assert len(waiting) == 0
