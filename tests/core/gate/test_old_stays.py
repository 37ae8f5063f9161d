"""Stays of the earlier system: one act each, whoever takes them over and when."""

import hashlib
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.centrals import HOUR_S, PLATE, T0_MS, Driven, meet, pair
from tests.support.examples import examples
from zparkd.core.events.event import Kind
from zparkd.core.gate import limits
from zparkd.core.gate.old_stays import BadStays, OldStay, Taken, read_stays
from zparkd.core.stays.fold import project
from zparkd.core.turn import TakeOver

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
T0_S = T0_MS // 1000
DAY_S = 24 * HOUR_S


def stay(
    entry_s: int, exit_s: int | None = None, fee: int | None = None, **more: object
) -> OldStay:
    at = None if exit_s is None else T0_S + exit_s
    return OldStay("car", PLATE, T0_S + entry_s, at, fee, **more)  # type: ignore[arg-type]


def take(driven: Driven, *stays: OldStay) -> Taken:
    (taken,) = driven.step(TakeOver(stays)).outcomes
    assert isinstance(taken, Taken)
    return taken


def shown(driven: Driven) -> list[tuple[object, ...]]:
    columns = ("plate_id", "entry_time", "exit_time", "fee", "closed_by", "status", "remarks")
    rows = sorted(driven.history(), key=lambda row: (row["entry_ms"], row["camera_type"]))
    return [tuple(row[name] for name in columns) for row in rows]


def test_a_stay_becomes_an_entry_and_an_exit_at_the_times_that_they_had() -> None:
    one = Driven()
    assert take(one, stay(-7200, -3600, 20_000, plate_view="29A-123.45")) == (1, 1, 0)
    assert shown(one) == [
        (PLATE, "2025-12-02 08:30:00", "2025-12-02 09:30:00", 20_000, "EXIT", "OUT", None)
    ]
    entry, exit = one.events()
    assert (entry.kind, exit.kind) == (Kind.ENTRY, Kind.EXIT)
    assert (entry.order, exit.order) == (entry.timestamp, exit.timestamp)
    assert entry.facts is not None
    assert exit.facts is not None
    assert entry.facts.edge_id == exit.facts.edge_id == "import"
    vehicle = hashlib.blake2b(b"car/29A12345", digest_size=12).hexdigest()
    assert entry.facts.request_id == f"{vehicle}/2025-12-02T08:30:00/entry"
    assert exit.facts.request_id == f"{vehicle}/2025-12-02T08:30:00/exit"
    assert b"29A12345" not in entry.skeleton + exit.skeleton


def test_what_is_here_is_not_recorded_again_also_years_later_and_after_a_restart() -> None:
    one = Driven()
    take(one, stay(-7200, -3600, 20_000))
    one.wait(1000 * DAY_S)
    one.start()
    assert take(one, stay(-7200, -3600, 20_000)) == (0, 0, 2)
    assert len(one.events()) == 2


def test_an_exit_that_only_another_copy_knows_is_added() -> None:
    one = Driven()
    take(one, stay(-7200))
    assert [row["status"] for row in one.history()] == ["IN"]
    assert take(one, stay(-7200, -3600, 20_000)) == (0, 1, 1)
    assert [(row["status"], row["fee"]) for row in one.history()] == [("OUT", 20_000)]


def test_copies_taken_over_on_both_sides_of_a_cut_are_one_act_each() -> None:
    one, other = pair()
    take(one, stay(-7200, -3600, 20_000), stay(-1800))
    take(other, stay(-7200, -3600, 20_000), stay(-1800))
    meet(one, other)
    assert shown(one) == shown(other)
    assert [row[3] for row in shown(one)] == [20_000, None]
    assert [row[6] for row in shown(one)] == [None, None]
    assert len(one.events()) == 6
    assert len(project(one.events()).stays) == 2


def test_a_stay_that_lost_its_exit_is_ended_by_the_next_entry_without_a_fee() -> None:
    one = Driven()
    take(one, stay(-7200), stay(-3600, -1800, 5_000, ended_entry_s=T0_S - 7200))
    assert [(row[3], row[4]) for row in shown(one)] == [(None, "FORCED_ENTRY"), (5_000, "EXIT")]


def test_overlapping_stays_lose_no_fee() -> None:
    one = Driven()
    take(one, stay(-7200, -3600, 5_000), stay(-5400, -1800, 7_000))
    conflicts = one.store.connection.execute(
        "SELECT kind, fee FROM conflicts ORDER BY kind"
    ).fetchall()
    assert [row["fee"] for row in one.history()] == [5_000]
    assert conflicts == [("ENDED_NOTHING", 7_000), ("SUPERSEDED", None)]


def test_what_was_told_afterwards_goes_before_what_a_gate_saw() -> None:
    one = Driven()
    assert one.open(direction="ENTRY")["success"]
    take(one, stay(-7200, -3600, 20_000))
    assert [(row[1], row[5]) for row in shown(one)] == [
        ("2025-12-02 08:30:00", "OUT"),
        ("2025-12-02 10:30:00", "IN"),
    ]
    take(one, stay(-1800))  # the same stay, seen by both systems: the older entry counts
    assert [row[1] for row in shown(one)] == ["2025-12-02 08:30:00", "2025-12-02 10:00:00"]


def test_it_moves_no_clock() -> None:
    one = Driven()
    before = one.central.clock.read(one.now)
    take(one, stay(-1000 * DAY_S, -999 * DAY_S, 1))
    assert one.central.clock.read(one.now) == before
    one.start()
    assert one.central.clock.read(one.now) == before


def test_no_two_events_of_a_plate_share_a_readable_id() -> None:
    one = Driven()
    bike = OldStay("motorbike", PLATE, T0_S - 7200, T0_S - 3600)
    take(one, stay(-7200, -3600), bike, stay(-3600, -1800))
    stamps = [event.timestamp for event in one.events()]
    assert len(set(stamps)) == len(stamps)
    assert len({row["event_id"] for row in one.history()}) == 3
    assert {row["status"] for row in one.history()} == {"OUT"}


_SECONDS = st.integers(-20 * HOUR_S, -1)
_STAYS = st.builds(
    lambda kind, entry_s, lasted_s, fee: OldStay(
        kind,
        PLATE,
        T0_S + entry_s,
        None if lasted_s is None else T0_S + min(-1, entry_s + lasted_s),
        fee,
    ),
    st.sampled_from(["car", "motorbike"]),
    _SECONDS.map(lambda second: second // HOUR_S * HOUR_S),
    st.none() | st.integers(0, 3 * HOUR_S),
    st.integers(0, 9).map(lambda thousands: thousands * 1000),
)


@examples(25)
@given(st.lists(_STAYS, max_size=6), st.data())
def test_any_copies_in_any_order_come_to_one_entry_a_stay(
    stays: list[OldStay], data: st.DataObject
) -> None:
    stays = list({(it.camera_type, it.entry_s): it for it in stays}.values())
    one, other = pair()
    copy = st.lists(st.sampled_from(stays), max_size=9) if stays else st.just([])
    take(one, *data.draw(copy))
    take(other, *data.draw(copy))
    meet(one, other)
    for driven in (one, other):
        take(driven, *stays)
    meet(one, other)
    names = {
        (event.facts.request_id, event.kind) for event in one.events() if event.facts is not None
    }
    exits = [it for it in stays if it.exit_s is not None]
    assert len(names) == len(stays) + len(exits)
    assert shown(one) == shown(other)
    conflicts = one.store.connection.execute(
        "SELECT coalesce(sum(fee), 0) FROM conflicts WHERE kind IN ('ENDED_NOTHING', 'UNMATCHED')"
    ).fetchone()[0]
    fees = sum(row["fee"] or 0 for row in one.history()) + conflicts
    assert fees == sum(it.fee or 0 for it in exits)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [["car"]],
        [["car", "29a", 1]],
        [["CAR", PLATE, 1]],
        [["car", PLATE, -1]],
        [["car", PLATE, 1.5]],
        [["car", PLATE, 1, 2, -3]],
        [["car", PLATE, 1, None, None, "x" * 257]],
        [["car", PLATE, 1]] * (limits.OLD_STAYS_PER_TURN + 1),
    ],
)
def test_what_is_no_batch_of_stays_is_refused(value: object) -> None:
    with pytest.raises(BadStays, match="stays: "):
        read_stays(value)
