"""`GET /api/parking/history`."""

import csv
import io
import json

import pytest

from tests.support.gateway import Gateway
from tests.support.harness import ask
from zparkd.testbed.loopback import zparkctl

PLATES = ("29A12345", "29A12399", "30F00001")


@pytest.fixture(scope="module", autouse=True)
def stays(gateway: Gateway) -> None:
    for plate in PLATES:
        assert ask(gateway.central, "in-1", "BARRIER_OPEN", plate_id=plate, direction="ENTRY")[
            "success"
        ]
    ask(gateway.central, "out-1", "BARRIER_OPEN", plate_id="30F00001", direction="EXIT")


def plates(gateway: Gateway, **query: object) -> list[str]:
    answer = gateway.get("/api/parking/history", **query).json()
    assert answer["success"] is True
    return [row["plate_id"] for row in answer["history"]]


def test_it_has_the_rows_of_zparkctl(gateway: Gateway) -> None:
    answer = gateway.get("/api/parking/history").json()
    assert answer["history"] == json.loads(zparkctl(gateway.central.config, "history", "--json"))
    assert answer["total"] == 3


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"plate": "29a-123.45"}, ["29A12345"]),
        ({"plate": "123", "match": "partial"}, ["29A12399", "29A12345"]),
        ({"plate": "9", "match": "partial"}, ["29A12399", "29A12345"]),
        ({"inside": "1"}, ["29A12399", "29A12345"]),
        ({"inside": "false", "limit": "1"}, ["30F00001"]),
        ({"limit": "1", "offset": "1"}, ["29A12399"]),
        ({"plate": "", "inside": "", "limit": ""}, ["30F00001", "29A12399", "29A12345"]),
        ({"central": "central-1", "edge": "out-1", "type": "car"}, ["30F00001"]),
        ({"central": "central-9"}, []),
        ({"type": "motorbike"}, []),
        ({"from": "2020-01-01", "to": "2020-01-02 00:00:00"}, []),
        ({"from": "2020-01-01", "to": "9999-12-31", "limit": "1"}, ["30F00001"]),
        ({"plate": "29A%"}, None),
        ({"plate": "%", "match": "partial"}, None),
        ({"limit": "-1"}, None),
        ({"limit": "many"}, None),
        ({"offset": "9" * 30}, None),
        ({"inside": "perhaps"}, None),
        ({"from": "yesterday"}, None),
        ({"match": "near"}, None),
        ({"type": "x" * 300}, None),
        ({"edge": "a\x00b"}, None),
    ],
)
def test_it_finds_what_is_asked_for(
    gateway: Gateway, query: dict[str, str], found: list[str] | None
) -> None:
    if found is not None:
        assert plates(gateway, **query) == found
        return
    answer = gateway.get("/api/parking/history", **query)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["success"] is False
    assert answer.json()["error"]["code"] == "bad_request"


@pytest.mark.parametrize(
    ("query", "total"),
    [({"limit": "1"}, 3), ({"inside": "1", "limit": "1"}, 2), ({"central": "central-1"}, 3)],
)
def test_the_total_is_that_of_all_pages(
    gateway: Gateway, query: dict[str, str], total: int
) -> None:
    assert gateway.get("/api/parking/history", **query).json()["total"] == total


def test_a_spreadsheet_gets_all_of_it_and_computes_nothing(gateway: Gateway) -> None:
    view = "=HYPERLINK(1)"
    fields = {"plate_id": "51G88888", "plate_view": view, "direction": "ENTRY"}
    assert ask(gateway.central, "in-1", "BARRIER_OPEN", **fields)["success"]
    answer = gateway.get("/api/parking/history", format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    text = answer.content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["plate_id"] for row in rows} == {*PLATES, "51G88888"}
    assert rows[0]["plate_view"] == f"'{view}"


def test_csv_has_as_many_rows_as_are_asked_for(gateway: Gateway) -> None:
    def stays(**query: object) -> list[str]:
        answer = gateway.get("/api/parking/history", format="csv", **query)
        text = answer.content.decode("utf-8-sig")
        return [row["event_id"] for row in csv.DictReader(io.StringIO(text))]

    everything = stays()
    assert len(everything) > 2
    assert stays(limit=0) == everything
    assert stays(limit=2) == everything[:2]
    assert stays(limit=2, offset=1) == everything[1:3]
