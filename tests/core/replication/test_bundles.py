"""Bundles: what one central holds comes to another in a file, and nothing else does."""

import io
import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.centrals import Driven, meet
from zparkd.core.errors import ProtocolError
from zparkd.core.events.event import Stream
from zparkd.core.replication.bundles import (
    BadBundle,
    Label,
    Pages,
    PageTaken,
    read_bundle,
    split_page,
    write_chunk,
    write_end,
    write_label,
)
from zparkd.core.turn import TakePage

IDS = ("central-1", "central-2", "central-3")
LOCAL = ("id", "sync_status")


def central(id: str, *, keyed: bool = True, peers: tuple[str, ...] = IDS, epoch: int = 1) -> Driven:
    others = [peer for peer in peers if peer != id]
    return Driven(id, peers=others, key=id if keyed else None, epoch=epoch)


def bundle_of(driven: Driven, beyond: dict[Stream, int] | None = None) -> bytes:
    """A bundle of all that a central holds beyond some heads."""
    label = Label("lot-a", driven.id, driven.wall_ms, driven.key is not None)
    chunks = [page.chunk for page in Pages(driven.store, label, beyond or {})]
    return write_label(label) + b"".join(map(write_chunk, chunks)) + write_end(len(chunks))


def take(driven: Driven, bundle: bytes) -> list[PageTaken | ProtocolError]:
    """What becomes of each page of a bundle."""
    told: list[PageTaken | ProtocolError] = []
    for chunk in read_bundle(io.BytesIO(bundle).read)[1]:
        (outcome,) = driven.step(TakePage(split_page(chunk))).outcomes
        assert isinstance(outcome, PageTaken | ProtocolError)
        told.append(outcome)
    return told


def counted(told: list[PageTaken | ProtocolError]) -> tuple[int, int, list[str]]:
    pages = [page for page in told if isinstance(page, PageTaken)]
    assert pages == told
    reasons = [why for page in pages for why in page.left_out]
    return sum(page.events for page in pages), sum(page.known for page in pages), reasons


def shared(driven: Driven) -> list[dict[str, object]]:
    while driven.store.unsettled:
        driven.step()
    rows = [{key: row[key] for key in row if key not in LOCAL} for row in driven.history()]
    return sorted(rows, key=lambda row: str(row["event_id"]))


def live(driven: Driven, cars: int, first: int = 0) -> None:
    for number in range(first, first + cars):
        driven.wait(1)
        driven.open(
            plate_id=f"29A{number:05}", direction="ENTRY", request_id=f"{driven.id}{number}"
        )


@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "plain"])
def test_what_was_recorded_on_both_sides_comes_together_by_hand(keyed: bool) -> None:
    one, two = (central(id, keyed=keyed) for id in IDS[:2])
    live(one, 5)
    live(two, 5, first=3)
    assert counted(take(two, bundle_of(one))) == (5, 0, [])
    assert counted(take(one, bundle_of(two))) == (5, 5, [])
    assert dict(one.store.heads) == dict(two.store.heads)
    assert shared(one) == shared(two)
    assert len(shared(one)) == 8


def test_twice_is_the_same_as_once() -> None:
    one, two = central("central-1"), central("central-2")
    live(one, 7)
    bundle = bundle_of(one)
    assert counted(take(two, bundle)) == (7, 0, [])
    held = shared(two)
    assert counted(take(two, bundle)) == (0, 7, [])
    assert shared(two) == held


def test_it_goes_on_where_the_other_was_when_it_was_last_heard() -> None:
    one, two = central("central-1", peers=IDS[:2]), central("central-2", peers=IDS[:2])
    live(one, 4)
    meet(one, two)
    known = dict(two.store.heads)
    live(one, 3, first=10)
    assert counted(take(two, bundle_of(one, known))) == (3, 0, [])


def test_what_another_recorded_is_carried_too_and_goes_on_to_its_peers() -> None:
    one, two, three = (central(id) for id in IDS)
    live(one, 3)
    take(two, bundle_of(one))
    assert counted(take(three, bundle_of(two))) == (3, 0, [])
    assert shared(three) == shared(one)


def test_a_gap_before_the_bundle_is_named() -> None:
    one, two = central("central-1"), central("central-2")
    live(one, 6)
    (stream,) = one.store.heads
    events, _, reasons = counted(take(two, bundle_of(one, {stream: 4})))
    assert events == 0
    assert reasons == [
        "of central-1/1 the events 1 to 4 are missing here and in the bundle;"
        " have one made without --for"
    ]
    assert dict(two.store.heads) == {}


def test_no_unknown_origin_becomes_known_by_it() -> None:
    stranger, two = central("central-9", peers=("central-2",)), central("central-2")
    live(stranger, 2)
    events, _, reasons = counted(take(two, bundle_of(stranger)))
    assert events == 0
    assert reasons == ["central-9 is not known here; zparkctl member admit central-9 makes it so"]
    assert dict(two.store.heads) == {}
    assert not two.store.signed.pinned("central-9")
    plain = central("central-2", keyed=False)
    unsigned = central("central-9", keyed=False)
    live(unsigned, 2)
    assert counted(take(plain, bundle_of(unsigned)))[0] == 0
    assert dict(plain.store.heads) == {}


def test_what_nobody_signed_is_not_taken_where_centrals_have_keys() -> None:
    unsigned, two = central("central-1", keyed=False), central("central-2")
    live(unsigned, 2)
    events, _, reasons = counted(take(two, bundle_of(unsigned)))
    assert events == 0
    assert "nobody signed" in reasons[0]


def test_a_key_that_is_not_the_centrals_signs_nothing() -> None:
    liar, two = Driven("central-1", peers=["central-2"], key="liar"), central("central-2")
    live(liar, 2)
    events, _, reasons = counted(take(two, bundle_of(liar)))
    assert events == 0
    assert "not one of central-1" in reasons[0]


def test_a_bundle_of_another_site_says_so() -> None:
    one, two = central("central-1"), central("central-2")
    live(one, 1)
    label = Label("lot-b", "central-1", 1, signed=True)
    (page,) = Pages(one.store, label, {})
    (told,) = two.step(TakePage(split_page(page.chunk))).outcomes
    assert str(told) == "is of site 'lot-b'; this central is of lot-a"


def test_a_large_log_comes_in_pages_that_end_at_signatures() -> None:
    one, two = central("central-1"), central("central-2")
    for run in range(3):
        live(one, 400, first=1000 * run)
        one.start()
    label = Label("lot-a", "central-1", 1, signed=True)
    pages = Pages(one.store, label, {})
    assert pages.total == 1200 == sum(page.events for page in pages)
    assert pages.left_out == {}
    assert counted(take(two, bundle_of(one))) == (1200, 0, [])
    assert shared(two) == shared(one)


def test_what_nobody_signed_is_left_out_of_a_signed_bundle() -> None:
    one = central("central-1", keyed=False)
    live(one, 2)
    pages = Pages(one.store, Label("lot-a", "central-1", 1, signed=True), {})
    assert list(pages) == []
    assert pages.left_out == {Stream("central-1", 1): 2}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: b"", "no bundle"),
        (lambda data: data[1:], "no bundle"),
        (lambda data: data[:30], "cut off"),
        (lambda data: data[:-1], "cut off after 1 pages"),
        (lambda data: data[:-20], "cut off after 0 pages"),
        (lambda data: data + b"x", "goes on after its end"),
        (lambda data: data[:-4] + b"\0\0\0\7", "has 1 pages"),
        (lambda data: data.replace(b'"site":', b'"sitf":'), "label is broken"),
    ],
)
def test_a_file_that_is_not_whole_says_so(change: object, why: str) -> None:
    one = central("central-1")
    live(one, 2)
    assert callable(change)
    with pytest.raises(BadBundle, match=why):
        list(read_bundle(io.BytesIO(change(bundle_of(one))).read)[1])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_is_changed_in_a_bundle_nothing_gets_in_but_what_its_origin_recorded(
    data: st.DataObject,
) -> None:
    one, two = central("central-1"), central("central-2")
    live(one, 4)
    bundle = bytearray(bundle_of(one))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(bundle) - 1))
        bundle[at] = data.draw(st.integers(0, 255))
    with suppress(BadBundle, ProtocolError):
        take(two, bytes(bundle))
    true = [(event.skeleton, event.personal_part) for event in one.events()]
    got = [(event.skeleton, event.personal_part) for event in two.events()]
    assert got == true[: len(got)]


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_bundles_in_any_order_and_number_make_equal_histories(
    chance: random.Random, keyed: bool
) -> None:
    sites = [central(id, keyed=keyed) for id in IDS]
    bundles: list[bytes] = []
    for number in range(8):
        driven = chance.choice(sites)
        plate = f"29A0000{chance.randrange(3)}"
        direction = chance.choice(("ENTRY", "EXIT"))
        driven.wait(chance.random() * 100)
        driven.open(
            plate_id=plate, direction=direction, request_id=str(number), force=True, reason="x"
        )
        bundles.append(bundle_of(driven))
    last = [bundle_of(driven) for driven in sites]
    for driven in sites:
        mine = [*bundles, *last, *last]
        chance.shuffle(mine)
        for bundle in [*mine, *last]:
            counted(take(driven, bundle))
    assert dict(sites[0].store.heads) == dict(sites[1].store.heads) == dict(sites[2].store.heads)
    assert shared(sites[0]) == shared(sites[1]) == shared(sites[2])
