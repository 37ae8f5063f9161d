"""The close of a day: a function of the events up to its heads, whatever came later."""

from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.support.centrals import identity, public_key
from tests.support.vehicles import Book, event_sets
from zparkd.core.events.event import Event, Stream
from zparkd.core.events.heads import Heads
from zparkd.core.reports.day import (
    VERSION,
    BadDay,
    Close,
    is_genuine,
    read_close,
    signed_text,
    write_close,
)
from zparkd.storage.readers.connection import read_only
from zparkd.storage.readers.reports import days
from zparkd.storage.store import Store
from zparkd.verify.day import Folding, Totals, lacking, totals_now, totals_then

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
DAY = "2024-12-02"


def kept(file: Path, events: list[Event]) -> Path:
    with closing(Store(file, "central-1", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        for event in events:
            store.append(event)
        while store.unsettled:
            store.settle()
        store.commit()
    return file


def then(file: Path, heads: Heads) -> Totals:
    folding = Folding("lot-a", "central-1", "Asia/Ho_Chi_Minh", lambda _: None)
    with closing(read_only(file)) as connection:
        return totals_then(connection, heads, DAY, ZONE, folding)


def now(file: Path) -> Totals:
    with closing(read_only(file)) as connection:
        return totals_now(connection, DAY, ZONE)


@settings(max_examples=15, deadline=None)
@given(event_sets(), st.data())
def test_it_is_the_same_when_it_is_calculated_again_after_more_came(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("day")
    streams: dict[Stream, list[Event]] = {}
    for event in events:
        streams.setdefault(event.position.stream, []).append(event)
    heads = {
        stream: data.draw(st.integers(0, len(of_it)), label=str(stream))
        for stream, of_it in streams.items()
    }
    before = [event for event in events if event.position.seq <= heads[event.position.stream]]
    closed = kept(folder / "closed", before)
    later = kept(folder / "later", events)
    assert then(later, heads) == now(closed)
    with closing(read_only(closed)) as one, closing(read_only(later)) as two:
        held = days.held(one)
        assert held == {stream: head for stream, head in heads.items() if head}
        assert days.digest_at(one, held) == days.digest_at(two, held)
        count, _ = days.later(two, held, 2**53, 10)
        assert count == len(events) - len(before)


def close_of(book: Book, folder: Path, **more: Any) -> tuple[Close, Path]:
    file = kept(folder / "day.db", book.events)
    with closing(read_only(file)) as connection:
        heads = days.held(connection)
        close = Close(
            VERSION,
            "lot-a",
            DAY,
            "Asia/Ho_Chi_Minh",
            "central-1",
            "2024-12-03T00:10:00+07:00",
            None,
            [],
            totals_now(connection, DAY, ZONE),
            [(*stream, head) for stream, head in sorted(heads.items())],
            days.digest_at(connection, heads),
            **more,
        )
    return close, file


def a_day() -> Book:
    book = Book()
    entry = book.entry("central-1", 0)
    book.exit("central-2", 3600, names=entry)
    return book


def test_the_signature_is_of_all_of_it(tmp_path: Path) -> None:
    close, _ = close_of(a_day(), tmp_path, public_key=public_key("central-1"))
    signature = identity("central-1").attest(signed_text(close)).hex()
    signed = structs.replace(close, signature=signature)
    assert is_genuine(signed)
    assert is_genuine(read_close(write_close(signed)))
    assert not is_genuine(close)
    for change in (
        {"day": "2024-12-03"},
        {"site": "lot-b"},
        {"closed_by": "central-2"},
        {"held": "x"},
        {"missing": ["central-9"]},
        {"totals": {}},
        {"heads": signed.heads[:1]},
        {"public_key": public_key("central-2")},
        {"signature": "0" * 128},
    ):
        assert not is_genuine(structs.replace(signed, **change)), change


def test_what_it_was_made_of_and_is_not_here_is_named(tmp_path: Path) -> None:
    book = a_day()
    close, _ = close_of(book, tmp_path)
    less = kept(tmp_path / "less.db", book.events[:1])
    with closing(read_only(less)) as connection:
        assert lacking(connection, close) == [("central-2", 1)]


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"zparkd_day": 1}', b"\xff", b"[" * 9999])
def test_a_file_that_is_none_says_so(data: bytes) -> None:
    with pytest.raises(BadDay, match="is no close of a day"):
        read_close(data)


def test_a_later_version_says_so(tmp_path: Path) -> None:
    close, _ = close_of(a_day(), tmp_path)
    with pytest.raises(BadDay, match="is of version 2"):
        read_close(write_close(structs.replace(close, zparkd_day=2)))
