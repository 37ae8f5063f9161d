"""What is erased is in no byte of a central, and its stays go on counting without a name."""

from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import zparkd.core.events.event
from tests.support.centrals import HOUR_S, PLATE, Driven, meet, pair
from zparkd.core.events.event import ERASED, Kind
from zparkd.core.gate.deeds import (
    Correct,
    Done,
    Erase,
    NotDone,
    Teller,
    Void,
)
from zparkd.core.reference.lists import read_passes
from zparkd.core.stays.fold import project
from zparkd.core.turn import Disown, ImportPasses, SetPolicy
from zparkd.storage.projection import rereading
from zparkd.storage.readers.connection import read_only
from zparkd.storage.readers.log import StoredLog
from zparkd.verify.log import check_log
from zparkd.verify.ranges import chunks
from zparkd.verify.stays import check_stays, stray_stays

WHO = Teller("nv01", "the owner asked")
OTHER = "30F99999"


def visited(driven: Driven, plate_id: str = PLATE, view: str = "29A-123.45") -> None:
    driven.open(plate_id=plate_id, direction="ENTRY", plate_view=view)
    driven.wait(HOUR_S)
    assert driven.open(plate_id=plate_id, direction="EXIT")["success"]
    driven.wait(60)


def erase(driven: Driven, plate_id: str = PLATE) -> Done:
    (outcome,) = driven.step(Erase(WHO, plate_id)).outcomes
    assert isinstance(outcome, Done), outcome
    for _ in range(3):
        driven.step()
    return outcome


def bytes_of(driven: Driven) -> bytes:
    """All that is on the disk of a central."""
    return b"".join(
        path.read_bytes() for path in sorted(driven.path.parent.glob(driven.path.name + "*"))
    )


def on_file(tmp_path: Path, id: str, peers: list[str]) -> Driven:
    folder = tmp_path / id
    folder.mkdir()
    return Driven(id, peers=peers, path=folder / "zparkd.db")


def shared(driven: Driven) -> list[dict[str, Any]]:
    rows = driven.history()
    return sorted(
        ({k: v for k, v in row.items() if k not in ("id", "sync_status")} for row in rows),
        key=str,
    )


def test_an_erased_plate_is_in_no_byte_and_its_stay_has_no_name(tmp_path: Path) -> None:
    driven = on_file(tmp_path, "central-1", [])
    entry = [{"plate_id": PLATE, "camera_type": "car", "valid_from": "2024-01-01"}]
    entry[0] |= {"valid_until": "2024-01-02", "holder": "Nguyen Van Erased"}
    driven.step(ImportPasses(read_passes(entry)))
    visited(driven)
    visited(driven, OTHER, "30F-999.99")
    assert PLATE.encode() in bytes_of(driven)
    done = erase(driven)
    assert done.erased == 3
    held = bytes_of(driven)
    for gone in (PLATE, "29A-123.45", "Nguyen Van Erased"):
        assert gone.encode() not in held, gone
    assert OTHER.encode() in held
    (nameless,) = [row for row in driven.history() if row["plate_id"] is None]
    entry_event = next(event for event in driven.events() if event.kind == Kind.ENTRY)
    assert nameless["event_id"] == "_".join(map(str, entry_event.position))
    assert (nameless["status"], nameless["fee"], nameless["plate_view"]) == ("OUT", 25_000, None)
    assert driven.store.reference.passes() == []
    with closing(read_only(driven.path)) as connection:
        assert check_stays(connection, 0, 99).differences == []
        assert list(stray_stays(connection)) == []
        log = StoredLog(connection)
        assert check_log(connection, list(chunks(log.heads))).differences == []


def test_a_reader_in_the_way_delays_it_and_nothing_more_has_to_be_recorded(tmp_path: Path) -> None:
    driven = on_file(tmp_path, "central-1", [])
    visited(driven)
    with closing(read_only(driven.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchone()
        erase(driven)
        driven.store.erasures.drop_forgotten()
        assert PLATE.encode() in bytes_of(driven)
    driven.store.erasures.drop_forgotten()
    assert PLATE.encode() not in bytes_of(driven)


def test_a_conflict_of_an_erased_vehicle_names_no_plate_and_no_mark_of_the_tables() -> None:
    driven = Driven()
    said = {"direction": "EXIT", "force": True, "reason": "no ticket", "staff_id": "nv01"}
    assert driven.open(plate_id=PLATE, **said)["success"]
    driven.wait(60)
    erase(driven)
    rows = driven.store.connection.execute("SELECT plate_id, event_id FROM conflicts").fetchall()
    exit = next(event for event in driven.events() if event.kind == Kind.EXIT)
    assert [tuple(row) for row in rows] == [(None, "_".join(map(str, exit.position)))]


def test_it_is_refused_while_the_vehicle_is_inside() -> None:
    driven = Driven()
    driven.open(direction="ENTRY")
    (outcome,) = driven.step(Erase(WHO, PLATE)).outcomes
    assert isinstance(outcome, NotDone)
    assert outcome.code == "inside"


def test_a_vehicle_that_comes_again_is_a_new_one() -> None:
    driven = Driven()
    visited(driven)
    erase(driven)
    assert driven.open(direction="ENTRY")["success"]
    rows = driven.history()
    assert [row["plate_id"] for row in rows] == [None, PLATE]
    assert [row["status"] for row in rows] == ["OUT", "IN"]


def test_a_central_that_was_away_learns_it_and_what_it_knows_besides_is_named(
    tmp_path: Path,
) -> None:
    one = on_file(tmp_path, "central-1", ["central-2"])
    two = on_file(tmp_path, "central-2", ["central-1"])
    visited(one)
    meet(one, two)
    visited(two)  # while they are cut off
    one.wait(2 * HOUR_S)
    two.wait(2 * HOUR_S)
    erase(one)
    meet(one, two)
    meet(one, two)
    for driven in (one, two):
        for _ in range(3):
            driven.step()
        assert PLATE.encode() not in bytes_of(driven), driven.id
        kept = [event for event in driven.events() if event.kind in (Kind.ENTRY, Kind.EXIT)]
        assert len(kept) == 4
        assert {event.personal_part for event in kept} == {ERASED}
        assert [row["plate_id"] for row in driven.history()] == [None, None]
    assert shared(one) == shared(two)
    assert one.kinds().count(Kind.ERASED) >= 2


def test_what_the_policy_keeps_no_longer_is_forgotten_by_the_first_that_is_connected() -> None:
    one, two = pair()
    one.step(SetPolicy({"privacy": {"keep_days": 1}}))
    visited(one)
    one.open(plate_id=OTHER, direction="ENTRY")
    meet(one, two)
    for driven in (one, two):
        driven.wait(25 * HOUR_S)
    visited(one, "51G12345")
    meet(one, two)
    for driven in (one, two):
        driven.wait(61)
    meet(one, two)
    meet(one, two)
    for driven in (one, two):
        for _ in range(3):
            driven.step()
        rows = sorted(str(row["plate_id"]) for row in driven.history())
        assert rows == [OTHER, "51G12345", "None"]
    assert shared(one) == shared(two)
    assert Kind.ERASED in two.kinds()


def test_erases_on_both_sides_of_a_cut_come_to_one_vehicle_without_a_name() -> None:
    one, two = pair()
    visited(one)
    meet(one, two)
    erase(one)
    two.wait(5)
    erase(two)
    meet(one, two)
    for driven in (one, two):
        for _ in range(3):
            driven.step()
        assert [row["plate_id"] for row in driven.history()] == [None]
        assert project(driven.events()).stays.keys() == {
            event.position for event in driven.events() if event.kind == Kind.ENTRY
        }
        numbers = driven.store.connection.execute("SELECT plate_id FROM vehicles").fetchall()
        assert len(numbers) == 1
    assert shared(one) == shared(two)


def test_a_vehicle_that_was_erased_while_it_was_inside_elsewhere_can_be_put_right() -> None:
    one, two = pair()
    visited(one)
    meet(one, two)
    two.wait(10)
    assert two.open(direction="ENTRY", edge_id="in-7")["success"]  # while they are cut off
    one.wait(1_000)
    erase(one)
    meet(one, two)
    meet(one, two)
    inside = next(row for row in two.history() if row["status"] == "IN")
    assert inside["plate_id"] is None
    answer = two.close(edge_id="in-7")
    assert (answer["action"], answer["event_id"]) == ("ENTRY_CONFIRMED", inside["event_id"])
    meet(one, two)
    for driven in (one, two):
        assert [row["confirmed"] for row in driven.history()] == [0, 1]
    assert shared(one) == shared(two)


def test_a_stay_that_was_corrected_to_another_vehicle_stays_that_ones_once_its_own_is_erased() -> (
    None
):
    one, two = pair()
    visited(one)
    [row] = one.history()
    one.step(Correct(Teller("nv01", "misread"), row["event_id"], OTHER, None))
    erase(one)
    meet(one, two)
    for driven in (one, two):
        assert [(it["plate_id"], it["status"]) for it in driven.history()] == [(OTHER, "OUT")]
    assert shared(one) == shared(two)


def test_a_plate_goes_also_where_an_exit_waited_under_it_for_an_entry_that_came_erased() -> None:
    one = Driven()
    one.open(direction="ENTRY")
    two = Driven("central-2")
    two.store.append(one.events()[0])
    two.store.commit()
    assert two.open(direction="EXIT")["success"]
    (out,) = [event for event in two.events() if event.kind == Kind.EXIT]
    one.store.append(out)
    one.store.settle()
    one.store.commit()
    one.wait(60)
    erase(one)
    entry, gone = (
        next(it for it in one.events() if it.kind == kind) for kind in (Kind.ENTRY, Kind.ERASED)
    )
    assert entry.personal_part == ERASED
    three = Driven("central-3")
    for event in (out, entry, gone):
        three.store.append(event)
        three.store.settle()
        three.store.commit()
    three.step()
    vehicles = three.store.connection.execute("SELECT plate_id FROM vehicles").fetchall()
    assert PLATE not in {plate_id for (plate_id,) in vehicles}


def test_the_exit_of_a_corrected_stay_can_be_void_also_once_its_own_vehicle_is_erased() -> None:
    driven = Driven()
    visited(driven)
    [row] = driven.history()
    said = Correct(WHO, row["event_id"], OTHER, None)
    (corrected,) = driven.step(said).outcomes
    assert isinstance(corrected, Done)
    erase(driven)
    assert corrected.recorded.event_id is not None
    (outcome,) = driven.step(Void(WHO, corrected.recorded.event_id, exit=True)).outcomes
    assert isinstance(outcome, Done), outcome
    driven.step()
    assert [(it["plate_id"], it["status"]) for it in driven.history()] == [(OTHER, "IN")]


def three() -> list[Driven]:
    ids = ["central-1", "central-2", "central-3"]
    return [Driven(id, peers=[it for it in ids if it != id]) for id in ids]


def test_what_one_erased_who_is_disowned_for_it_is_gone_everywhere_or_nowhere() -> None:
    one, away, insider = three()
    visited(one)
    visited(one, OTHER, "30F-999.99")
    meet(one, away, insider)
    for driven in (one, away, insider):
        driven.wait(HOUR_S)
    before_ms = one.now.wall_ms
    for driven in (one, away, insider):
        driven.wait(60)
    erase(insider)
    meet(one, insider)
    assert sorted(str(row["plate_id"]) for row in one.history()) == [OTHER, "None"]
    one.step(Disown("central-3", before_ms))
    for _ in range(3):
        one.step()
    erase(insider, OTHER)  # which means nothing by now
    meet(one, away)
    meet(one, insider)
    meet(one, away)
    for driven in (one, away):
        for _ in range(3):
            driven.step()
        assert sorted(str(row["plate_id"]) for row in driven.history()) == [OTHER, "None"]
        kept = {event.personal_part for event in driven.events() if event.kind == Kind.EXIT}
        assert len(kept) == 2
        assert ERASED in kept
    assert shared(one) == shared(away)


def test_who_is_disowned_names_nothing_and_records_nothing_for_ever() -> None:
    one, other, disowned = three()
    visited(disowned)  # nobody else hears of it
    visited(one)
    meet(one, other)
    for driven in (one, other, disowned):
        driven.wait(HOUR_S)
    erase(one)
    one.step(Disown("central-3", None))
    meet(one, other)
    meet(one, disowned)
    before = len(disowned.events())
    for _ in range(5):
        disowned.step()
    assert len(disowned.events()) == before


def test_an_erase_by_a_clock_that_is_fast_moves_no_time_stamp() -> None:
    one, fast = (Driven(id, peers=[peer]) for id, peer in (("a", "b"), ("b", "a")))
    visited(one)
    meet(one, fast)
    fast.wait(3 * HOUR_S)
    erase(fast)
    meet(one, fast)
    assert one.open(plate_id=PLATE, direction="ENTRY")["success"]
    for _ in range(3):
        one.step()
    newest = [event for event in one.events() if event.kind == Kind.ENTRY][-1]
    assert newest.timestamp == one.now.wall_ms
    assert newest.order > newest.timestamp + HOUR_S * 1000
    assert newest.vehicle is not None, "what happens after an erase is not meant by it"
    assert not newest.facts.marked  # type: ignore[union-attr]


def test_an_erase_that_an_older_version_kept_is_followed_after_the_upgrade(tmp_path: Path) -> None:
    one = on_file(tmp_path, "central-1", ["central-2"])
    two = on_file(tmp_path, "central-2", ["central-1"])
    visited(one)
    meet(one, two)
    erase(one)
    kinds = frozenset(kind for kind in Kind if kind is not Kind.ERASED)
    with (
        patch.object(zparkd.core.events.event, "_KINDS", kinds),
        patch.object(rereading, "__version__", "0.0.9"),
    ):
        two.restart()
        meet(one, two)
        assert [row["plate_id"] for row in two.history()] == [PLATE]
    two.restart()
    two.step()
    assert [row["plate_id"] for row in two.history()] == [None]
    assert shared(one) == shared(two)


def test_a_pass_that_nobody_told_of_before_the_erase_is_no_more() -> None:
    one, two = pair()
    visited(one)
    entry = {"plate_id": PLATE, "camera_type": "car", "holder": "Nguyen Van Erased"}
    days = {"valid_from": "2024-01-01", "valid_until": "2024-01-02"}
    two.step(ImportPasses(read_passes([entry | days])))
    for driven in (one, two):
        driven.wait(HOUR_S)
    erase(one)
    meet(one, two)
    meet(one, two)
    for driven in (one, two):
        for _ in range(3):
            driven.step()
        assert driven.store.reference.passes() == []
        assert all(b"Erased" not in event.personal_part for event in driven.events())


def test_what_is_watched_for_stays_until_it_is_taken_off_and_no_policy_says_it_then() -> None:
    one, away = pair()
    for driven, words in ((one, "stolen"), (one, "stolen twice")):
        driven.step(SetPolicy({"capacity": {"car": 9}, "watch": {PLATE: words, OTHER: "vip"}}))
    meet(one, away)
    away.step(SetPolicy({"watch": {PLATE: "told while cut off"}}))
    visited(one)
    assert erase(one).watched == "stolen twice"
    assert one.detect(plate_id=PLATE)["vehicle_info"]["watch"] == "stolen twice"
    for _ in range(2):  # its version is above that of who was cut off
        one.step(SetPolicy({"capacity": {"car": 9}, "watch": {OTHER: "vip"}}))
    one.wait(60)
    done = erase(one)
    assert (done.watched, done.erased) == (None, 1)
    (outcome,) = one.step(Erase(WHO, PLATE)).outcomes
    assert isinstance(outcome, NotDone)
    meet(one, away)
    meet(one, away)
    for driven in (one, away):
        for _ in range(3):
            driven.step()
        assert all(PLATE.encode() not in event.personal_part for event in driven.events())
        policy = driven.store.reference.policy()
        assert policy is not None
        assert policy.policy.watch == {OTHER: "vip"}
        assert policy.policy.capacity == {"car": 9}


def test_of_a_plate_that_is_watched_for_alone_it_says_how_to_take_it_off() -> None:
    driven = Driven()
    driven.step(SetPolicy({"watch": {PLATE: "stolen"}}))
    (outcome,) = driven.step(Erase(WHO, PLATE)).outcomes
    assert isinstance(outcome, NotDone)
    assert outcome.code == "unknown_plate"
    assert "zparkctl policy set" in str(outcome)
