"""`GET /api/parking/traffic`: the sums are those of the history, and what is missing is said."""

from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest

from tests.support.gateway import Gateway
from tests.support.harness import enter, leave, rows
from tests.support.vehicles import Book
from tests.web.conftest import MakeSite
from zparkd.storage.readers.reports.traffic import By, traffic
from zparkd.storage.store import Store
from zparkd.web.api.traffic import _counted, _key


@pytest.fixture(scope="module", autouse=True)
def stays(gateway: Gateway) -> None:
    for number in range(3):
        enter(gateway.central, f"29A0000{number}", edge_id=f"in-{number % 2}")
    enter(gateway.central, "29H100001", camera_type="motorbike")
    leave(gateway.central, "29A00000")
    leave(gateway.central, "29H100001", camera_type="motorbike")


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (
            "gate",
            {
                "central-1/in-0": (2, 0, 0),
                "central-1/in-1": (2, 0, 0),
                "central-1/out-1": (0, 2, 30000),
            },
        ),
        ("type", {"car": (3, 1, 25000), "motorbike": (1, 1, 5000)}),
    ],
)
def test_who_came_and_went_and_what_was_paid(
    gateway: Gateway, by: str, expected: dict[str, tuple[int, int, int]]
) -> None:
    answer = gateway.get("/api/parking/traffic", by=by).json()
    found = {row["key"]: (row["entries"], row["exits"], row["revenue"]) for row in answer["rows"]}
    assert found == expected
    assert {row["currency"] for row in answer["rows"]} <= {"VND", None}
    assert answer["missing"] == []
    assert answer["complete_until"] is not None


def test_exits_that_ended_no_stay_stand_beside_with_what_was_taken(
    make_site: MakeSite,
) -> None:
    (central,) = make_site(1).centrals
    central.start()
    with Gateway(central) as gateway:
        _one_that_ended_nothing(gateway)


def _one_that_ended_nothing(gateway: Gateway) -> None:
    central = gateway.central
    enter(central, "29A00001")
    by_hand = {"force": True, "reason": "no ticket", "staff_id": "nv01", "fee": 50000}
    leave(central, "29A77777", **by_hand)
    for by, key in (("gate", "central-1/out-1"), ("type", "car"), ("hour", None)):
        found = gateway.get("/api/parking/traffic", by=by).json()["rows"]
        [row] = [row for row in found if row["unmatched_exits"]]
        assert key in (None, row["key"])
        assert (row["unmatched_exits"], row["unmatched"], row["exits"]) == (1, 50000, 0)
        assert sum(one["revenue"] for one in found) == 0


def test_hours_are_those_of_the_site(gateway: Gateway) -> None:
    answer = gateway.get("/api/parking/traffic", by="hour").json()
    hours = Counter(f"{row['entry_time'][:13]}:00" for row in rows(gateway.central))
    assert {row["key"]: row["entries"] for row in answer["rows"] if row["entries"]} == hours
    assert sum(row["revenue"] for row in answer["rows"]) == 30000


@pytest.mark.parametrize(
    ("zone", "at", "hour"),
    [
        ("Asia/Kathmandu", "2025-12-02 18:15", "2025-12-03 00:00"),
        ("Asia/Ho_Chi_Minh", "2025-12-02 17:00", "2025-12-03 00:00"),
        ("Europe/Berlin", "2025-10-26 00:45", "2025-10-26 02:00"),
    ],
)
def test_a_quarter_of_an_hour_belongs_to_an_hour_of_the_zone(zone: str, at: str, hour: str) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert _key(round(moment.timestamp()) // 900, ZoneInfo(zone)) == hour


def test_nothing_happened_yesterday_and_a_time_that_is_none_is_refused(gateway: Gateway) -> None:
    past = gateway.get("/api/parking/traffic", **{"from": "2020-01-01", "to": "2020-01-31"})
    assert past.json()["rows"] == []
    for query in ({"from": "2020-01-01"}, {"to": "x"}, {"by": "colour"}, {"from": "9999-01-01"}):
        assert gateway.get("/api/parking/traffic", **query).status_code == 400, query


def test_a_peer_that_was_never_heard_is_missing(make_site: MakeSite) -> None:
    with make_site(2) as site:
        here, _ = site.centrals
        here.start()
        with Gateway(here) as gateway:
            answer = gateway.get("/api/parking/traffic").json()
            assert (answer["missing"], answer["complete_until"]) == (["central-2"], None)


def test_fees_that_add_up_to_more_than_a_database_counts_to_fail_no_report() -> None:
    book = Book()
    for number in range(3):
        book.exit("a", number * 100 + 50, names=book.entry("a", number * 100))
    with closing(Store(Path(":memory:"), "a", "lot-a", "UTC")) as store:
        for event in book.events:
            store.append(event)
        store.settle()
        store.commit()
        store.write_behind()
        store.writing().execute("UPDATE sessions SET fee = ?", (2**62,))
        for by in By:
            rows = _counted(traffic(store.connection, by, 0, 2**53), ZoneInfo("UTC"))
            assert max(row.revenue for row in rows.values()) == 2**63 - 1
            orjson.dumps([row.revenue for row in rows.values()])
