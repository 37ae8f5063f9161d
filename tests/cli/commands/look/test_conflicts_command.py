"""`zparkctl conflicts`, against the database of a real store; what is one, the view decides."""

from contextlib import closing

import orjson

from tests.cli.conftest import Central
from tests.support.vehicles import CAR, OTHER, Book
from zparkd.storage.readers.conflicts import COLUMNS
from zparkd.storage.store import Store


def keep(central: Central, book: Book) -> None:
    with closing(Store(central.database, "central-1", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        for event in book.events:
            store.append(event)
        store.settle()
        store.commit()


def two_gates(central: Central) -> Book:
    """A car that entered at two centrals, and left by force at one of them."""
    book = Book()
    book.entry("central-1", 0)
    newer = book.entry("central-2", 60)
    book.exit("central-2", 3600, names=newer, forced=True)
    keep(central, book)
    return book


def test_json_has_these_fields_newest_first(central: Central) -> None:
    book = two_gates(central)
    result = central.run("conflicts", "--json")
    assert result.exit_code == 0, result.stderr
    rows = orjson.loads(result.stdout)
    assert all(tuple(row) == (*COLUMNS, "seen", "now", "due") for row in rows)
    assert [row["kind"] for row in rows] == ["FORCED", "OTHER_ENTRY", "SUPERSEDED"]
    older, newer, _ = book.events
    assert len({row["id"] for row in rows}) == 3
    seen = [rows[-1].pop(name) for name in ("seen", "now", "due", "id")]
    assert seen[1] == "already_inside"
    assert rows[-1] == {
        "kind": "SUPERSEDED",
        "plate_id": CAR.plate_id,
        "camera_type": "car",
        "event_id": newer.event_id,
        "stay": older.event_id,
        "central": "central-2",
        "edge_id": "edge-1",
        "time": "2024-12-02 19:01:00",
        "fee": None,
        "acknowledged": None,
    }
    assert rows[0]["event_id"] == rows[0]["stay"] == older.event_id
    assert rows[0]["fee"] == 25000


def test_what_was_taken_too_little_is_told_as_a_sum_with_the_way_to_settle_it(
    central: Central,
) -> None:
    book = Book()
    older = book.entry("central-1", 0)
    newer = book.entry("central-2", 7200)
    book.exit("central-2", 10800, names=newer)
    keep(central, book)
    said = central.run("conflicts").stdout
    assert "\n\n50,000 too little, on 1 conflict\nto settle it: zparkctl vehicle charge" in said
    told = central.run("conflicts", "--why").stdout
    assert f"50,000 too little: zparkctl vehicle charge {older.event_id} --amount 50000" in told


def test_the_table_has_nothing_blank(central: Central) -> None:
    two_gates(central)
    lines = central.run("conflicts").stdout.splitlines()
    assert lines[0].split() == ["ID", "KIND", "PLATE", "TYPE", "TIME", "AT", "FEE", "EVENT", "STAY"]
    assert "  FORCED       29A12345  car   2024-12-02 20:00:00  central-2/edge-1" in lines[1]
    assert lines[1].endswith("the same")
    assert "  none  central-2_" in lines[3]


def test_none_are_none(central: Central) -> None:
    keep(central, Book())
    assert central.run("conflicts").stdout == "conflicts: none\n"
    assert orjson.loads(central.run("conflicts", "--json").stdout) == []


def test_no_database_exits_1(central: Central) -> None:
    assert central.run("conflicts").exit_code == 1


def sights(row: dict[str, object]) -> list[tuple[str, str, str]]:
    seen = row["seen"]
    assert isinstance(seen, list)
    return [(sight["what"], sight["central"], sight["time"][11:]) for sight in seen]


def test_json_says_who_saw_what_when_and_what_the_gate_would_say_now(central: Central) -> None:
    book = Book()
    older = book.entry("central-1", 0)
    newer = book.entry("central-2", 60)
    book.exit("central-2", 3600, names=newer)
    book.exit("central-1", 3700, names=older)
    book.exit("central-1", 9000, of=OTHER, forced=True, fee=0)
    keep(central, book)
    rows = {row["kind"]: row for row in orjson.loads(central.run("conflicts", "--json").stdout)}
    stay = [
        ("ENTRY", "central-1", "19:00:00"),
        ("ENTRY", "central-2", "19:01:00"),
        ("EXIT", "central-2", "20:00:00"),
    ]
    assert sights(rows["SUPERSEDED"]) == sights(rows["OTHER_ENTRY"]) == stay
    assert sights(rows["ENDED_NOTHING"]) == [*stay, ("EXIT", "central-1", "20:01:40")]
    assert sights(rows["UNMATCHED"]) == [("EXIT", "central-1", "21:30:00")]
    assert [rows[kind]["now"] for kind in ("SUPERSEDED", "OTHER_ENTRY", "ENDED_NOTHING")] == [
        "already_inside",
        "other_fee",
        "not_inside",
    ]
    assert rows["UNMATCHED"]["now"] is None
    assert rows["ENDED_NOTHING"]["seen"][-1]["fee"] == 25_000


def test_people_are_told_it_in_lines(central: Central) -> None:
    two_gates(central)
    told = central.run("conflicts", "--why").stdout
    first, *rest = told.split("\n\n")[-1].splitlines()
    assert first.startswith("SUPERSEDED 29A12345 (car) 2024-12-02 19:01:00  ")
    assert rest == [
        "  2024-12-02 19:00:00  ENTRY  central-1/edge-1",
        "  2024-12-02 19:01:00  ENTRY  central-2/edge-1",
        "  2024-12-02 20:00:00  EXIT   central-2/edge-1, 25,000",
        "  the gate would refuse the entry now: already_inside",
    ]
