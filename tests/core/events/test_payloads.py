"""Tariff, passes and staff as events: what differs is recorded, and all come to the same."""

import json
from typing import Any

import pytest

from tests.support.centrals import PLATE, Driven, meet, pair
from tests.support.tariffs import AIRPORT, CENTRE, DAY_AND_NIGHT, flat
from zparkd.core import limits
from zparkd.core.events.event import Kind, read
from zparkd.core.events.payloads import Pass, Staff
from zparkd.core.reference.changes import Imported
from zparkd.core.reference.lists import read_passes, read_staff
from zparkd.core.tariff import limits as tariff_limits
from zparkd.core.tariff.fields import BadDocument

DECEMBER = Pass(PLATE, "car", "2025-12-01", "2025-12-31", "Nguyễn Văn A")
JANUARY = Pass(PLATE, "car", "2026-01-01", "2026-01-31", "Nguyễn Văn A")
STAFF = Staff("nv01", "Trần Thị B")


def set_tariff(driven: Driven, document: object) -> int:
    version = driven.central.reference.set_tariff(driven.now, document)
    driven.step()
    return version


def import_passes(driven: Driven, *wanted: Pass) -> Imported:
    done = driven.central.reference.import_passes(driven.now, wanted)
    driven.step()
    return done


def import_staff(driven: Driven, *wanted: Staff) -> Imported:
    done = driven.central.reference.import_staff(driven.now, wanted)
    driven.step()
    return done


def document_of(driven: Driven) -> Any:
    held = driven.store.reference.tariff()
    return held.document if held is not None else None


def tables(driven: Driven) -> list[Any]:
    return [document_of(driven), driven.store.reference.passes(), driven.store.reference.staff()]


# --- one central --------------------------------------------------------------------------------


def test_a_tariff_is_one_event_with_the_next_version() -> None:
    driven = Driven()
    assert driven.store.reference.tariff() is None
    assert [set_tariff(driven, document) for document in (AIRPORT, CENTRE)] == [1, 2]
    assert driven.kinds() == [Kind.TARIFF, Kind.TARIFF]
    assert document_of(driven) == CENTRE


def test_the_same_tariff_again_makes_no_event() -> None:
    driven = Driven()
    turned = {"rate": [dict(reversed(rate.items())) for rate in AIRPORT["rate"]]}
    assert [set_tariff(driven, document) for document in (AIRPORT, turned)] == [1, 1]
    assert driven.kinds() == [Kind.TARIFF]


def test_a_bad_tariff_changes_nothing() -> None:
    driven = Driven()
    set_tariff(driven, AIRPORT)
    with pytest.raises(BadDocument):
        set_tariff(driven, {"rate": [{"camera_type": "car"}]})
    assert (driven.kinds(), document_of(driven)) == ([Kind.TARIFF], AIRPORT)


def test_a_tariff_that_no_event_can_hold_is_refused() -> None:
    step = {"until_minutes": 1, "every_minutes": 1, "amount": 1}
    steps = [step | {"until_minutes": until} for until in range(1_000_000, 1_000_015)]
    rate = {"camera_type": "", "step": [*steps, {"every_minutes": 1, "amount": 1}]}
    types = [f"type_{number}" for number in range(tariff_limits.TARIFF_RATES)]
    rates = [rate | {"camera_type": type} for type in types]
    driven = Driven()
    with pytest.raises(BadDocument, match="bytes of JSON; write at most"):
        set_tariff(driven, {"rate": rates})
    assert set_tariff(driven, {"rate": rates[:12]}) == 1


def test_an_import_replaces_a_list_by_its_differences() -> None:
    driven = Driven()
    other = Pass("30F99999", "motorbike", "2025-12-01", "2025-12-31")
    assert import_passes(driven, DECEMBER, other) == Imported(2, 0, 0, 0)
    assert import_passes(driven, other, DECEMBER) == Imported(0, 0, 0, 0)
    longer = DECEMBER._replace(valid_until="2026-02-28")
    assert import_passes(driven, longer, JANUARY) == Imported(1, 1, 1, 0)
    assert driven.kinds() == [Kind.PASS] * 5
    assert driven.store.reference.passes() == [longer, JANUARY]
    assert import_passes(driven) == Imported(0, 0, 2, 0)
    assert driven.store.reference.passes() == []


def test_who_was_removed_can_come_back() -> None:
    driven = Driven()
    for wanted in ([STAFF], [], [STAFF], [STAFF._replace(name="Lê C")]):
        assert sum(import_staff(driven, *wanted)[:4]) == 1
    assert driven.store.reference.staff() == [STAFF._replace(name="Lê C")]
    assert driven.kinds() == [Kind.STAFF] * 4


def test_a_long_import_is_recorded_a_part_a_turn() -> None:
    driven = Driven()
    most = limits.REFERENCE_EVENTS_PER_TURN
    wanted = [Staff(f"nv{number:04}") for number in range(2 * most + 1)]
    import_staff(driven, Staff("old"))
    assert import_staff(driven, *wanted) == Imported(most, 0, 0, most + 2)
    assert Staff("old") in driven.store.reference.staff()
    assert import_staff(driven, *wanted) == Imported(most, 0, 0, 2)
    assert import_staff(driven, *wanted) == Imported(1, 0, 1, 0)
    assert driven.store.reference.staff() == wanted


def test_what_was_undone_is_forgotten() -> None:
    driven = Driven()
    set_tariff(driven, AIRPORT)
    driven.central.reference.set_tariff(driven.now, CENTRE)
    driven.central.reference.import_passes(driven.now, [DECEMBER])
    assert driven.store.reference.pass_of(PLATE, "car", "2025-12-02") == DECEMBER
    driven.store.rollback()
    driven.central.forget()
    assert tables(driven) == [AIRPORT, [], []]
    assert driven.store.reference.pass_of(PLATE, "car", "2025-12-02") is None


def test_reference_data_is_there_after_a_restart() -> None:
    driven = Driven()
    set_tariff(driven, AIRPORT)
    import_passes(driven, DECEMBER)
    import_staff(driven, STAFF)
    before = tables(driven)
    driven.store.rollback()  # reads all again
    assert tables(driven) == before == [AIRPORT, [DECEMBER], [STAFF]]


def test_plates_names_and_holders_are_in_no_skeleton() -> None:
    driven = Driven()
    import_passes(driven, DECEMBER)
    import_staff(driven, STAFF)
    skeletons = b"".join(event.skeleton for event in driven.events()).decode()
    for text in (PLATE, "Nguyễn", "nv01", "Trần"):
        assert text not in skeletons


def test_no_event_of_reference_data_is_one_of_a_vehicle() -> None:
    driven = Driven()
    import_passes(driven, DECEMBER)
    event = driven.last()
    assert (event.vehicle, event.event_id, event.facts) == (None, None, None)
    assert driven.open()["event_id"] == f"central-1_{driven.wall_ms}_{PLATE}"
    assert len(driven.history()) == 1


# --- the day of a pass ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "until"),
    [
        ("2025-11-30", None),
        ("2025-12-01", "2025-12-31"),
        ("2025-12-31", "2025-12-31"),
        ("2026-01-01", "2026-01-31"),
        ("2026-02-01", None),
    ],
)
def test_a_pass_is_valid_on_its_first_and_last_day(day: str, until: str | None) -> None:
    driven = Driven()
    import_passes(driven, DECEMBER, JANUARY)
    held = driven.store.reference.pass_of(PLATE, "car", day)
    assert (held.valid_until if held is not None else None) == until
    assert driven.store.reference.pass_of(PLATE, "motorbike", day) is None
    assert driven.store.reference.pass_of("30F99999", "car", day) is None


# --- many centrals --------------------------------------------------------------------------------


def test_what_is_set_at_one_central_is_at_all() -> None:
    one, other = pair()
    set_tariff(one, AIRPORT)
    import_passes(one, DECEMBER)
    import_staff(one, STAFF)
    meet(one, other)
    assert tables(other) == tables(one) == [AIRPORT, [DECEMBER], [STAFF]]
    assert set_tariff(other, CENTRE) == 2


def test_after_a_cut_all_agree_on_one_tariff() -> None:
    one, other = pair()
    set_tariff(one, flat(1))
    meet(one, other)
    for version, amount in enumerate((2, 3), 2):
        assert set_tariff(one, flat(amount)) == version
    other.wait(3600)
    assert set_tariff(other, flat(4)) == 2
    meet(one, other)
    # The higher version counts, though the other was set later.
    assert document_of(one) == document_of(other) == flat(3)
    assert set_tariff(other, flat(5)) == 4


def test_of_two_tariffs_of_one_version_the_later_counts_and_then_the_higher_central() -> None:
    one, other = pair()
    one.wait(1)
    set_tariff(one, flat(1))
    set_tariff(other, flat(2))
    meet(one, other)
    assert document_of(one) == document_of(other) == flat(1)

    one, other = pair()
    set_tariff(one, flat(1))
    set_tariff(other, flat(2))
    meet(one, other)
    assert document_of(one) == document_of(other) == flat(2)


def test_after_a_cut_the_last_change_of_each_entry_counts() -> None:
    one, other = pair()
    import_passes(one, DECEMBER, JANUARY)
    meet(one, other)
    import_passes(one, DECEMBER._replace(holder="one"), JANUARY)
    import_staff(one, STAFF._replace(name="one"))
    other.wait(1)
    import_passes(other, DECEMBER._replace(holder="other"))
    import_staff(other, STAFF._replace(name="other"))
    meet(one, other)
    wanted = [None, [DECEMBER._replace(holder="other")], [STAFF._replace(name="other")]]
    assert tables(one) == tables(other) == wanted


def test_a_change_that_knew_of_another_comes_after_it_whatever_the_clocks_say() -> None:
    one, other = pair(wall_ms=(1_764_646_200_000, 1_764_642_600_000))
    import_staff(one, STAFF)
    set_tariff(one, flat(1))
    meet(one, other)
    import_staff(other)
    set_tariff(other, flat(2))
    meet(one, other)
    assert tables(one) == tables(other) == [flat(2), [], []]


# --- what others send -----------------------------------------------------------------------


def altered(driven: Driven, **data: Any) -> Any:
    """The newest event as another program would have written it, and read again."""
    event = driven.last()
    skeleton = json.loads(event.skeleton)
    skeleton["data"] |= data
    return read(json.dumps(skeleton).encode(), event.personal_part)


@pytest.mark.parametrize(
    "data",
    [
        {"valid_from": "2026-01-01"},
        {"valid_until": "2025-13-01"},
        {"valid_until": "20251231"},
        {"camera_type": "Car"},
        {"removed": "no"},
    ],
)
def test_a_pass_that_says_what_none_can_means_nothing(data: dict[str, Any]) -> None:
    driven = Driven()
    import_passes(driven, DECEMBER)
    assert altered(driven).reference == driven.last().reference
    event = altered(driven, **data)
    assert (event.reference, event.personal) == (None, None)


@pytest.mark.parametrize(
    "data",
    [
        {"version": 0},
        {"version": 2**53},
        {"document": []},
        {"document": {"rate": []}},
        {"document": DAY_AND_NIGHT | {"more": 1}},
    ],
)
def test_a_tariff_that_says_what_none_can_means_nothing(data: dict[str, Any]) -> None:
    driven = Driven()
    set_tariff(driven, AIRPORT)
    assert altered(driven).reference == driven.last().reference
    assert altered(driven, **data).reference is None


def test_the_highest_version_of_all_does_not_keep_others_from_being_set() -> None:
    one, _ = pair()
    set_tariff(one, flat(1))
    high = altered(one, version=limits.VERSION_MAX)
    one.store.rollback()
    stranger = Driven("stranger", peers=["central-1"])
    stranger.store.append(
        read(high.skeleton.replace(b"central-1", b"central-9"), high.personal_part)
    )
    stranger.store.commit()
    for amount in (5, 6):
        assert set_tariff(stranger, flat(amount)) == limits.VERSION_MAX
        assert document_of(stranger) == flat(amount)


# --- documents --------------------------------------------------------------------------------


def entry(**keys: Any) -> list[dict[str, Any]]:
    first = {"plate_id": "29A-123.45", "camera_type": "car"}
    return [first | {"valid_from": "2025-12-01", "valid_until": "2025-12-31"} | keys]


def test_lists_are_read() -> None:
    assert read_passes(entry(holder="Nguyễn Văn A")) == [DECEMBER]
    assert read_passes(entry(holder=None)) == [DECEMBER._replace(holder=None)]
    assert read_staff([{"staff_id": "nv01", "name": "Trần Thị B"}]) == [STAFF]
    assert read_staff([{"staff_id": "nv01"}]) == [Staff("nv01")]
    assert read_passes([]) == read_staff([]) == []


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "document: a table is no list"),
        ([1], "[0]: 1 is no table"),
        ([{}], "[0].valid_from: is missing"),
        (entry(plate_id="29"), "[0].plate_id: must be 3 to 12"),
        (entry(plate_id=29), "[0].plate_id: 29 is no string"),
        (entry(camera_type="Car"), '[0].camera_type: "Car" is no type'),
        (entry(valid_from="2025-12-1"), '[0].valid_from: "2025-12-1" is no day'),
        (entry(valid_until="2025-02-30"), '[0].valid_until: "2025-02-30" is no day'),
        (entry(valid_until="2025-11-30"), "[0].valid_until: 2025-11-30 is before valid_from"),
        (entry(holder="x" * 257), "[0].holder: has 257 characters"),
        (entry(holder="a\nb"), "[0].holder: holds control characters"),
        (entry(holder="\ud800"), "[0].holder: is no text that UTF-8 can hold"),
        (entry(until="x"), "[0].until: unknown key; write valid_until"),
        (entry() + entry(valid_until="2026-01-01"), "[1]: this plate and type has a pass"),
        ([{}] * (limits.REFERENCE_ENTRIES + 1), "document: has 20,001 entries"),
    ],
)
def test_a_list_of_passes_that_is_at_fault_is_refused_by_key(document: object, said: str) -> None:
    with pytest.raises(BadDocument) as refused:
        read_passes(document)
    assert str(refused.value.faults[0]).startswith(said)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([{"name": "x"}], "[0].staff_id: is missing"),
        ([{"staff_id": " "}], "[0].staff_id: is empty"),
        ([{"staff_id": "a", "nam": "x"}], "[0].nam: unknown key; write name"),
        ([{"staff_id": "a"}, {"staff_id": "a"}], "[1]: this staff_id stands above"),
    ],
)
def test_a_list_of_staff_that_is_at_fault_is_refused_by_key(document: object, said: str) -> None:
    with pytest.raises(BadDocument) as refused:
        read_staff(document)
    assert str(refused.value.faults[0]).startswith(said)
