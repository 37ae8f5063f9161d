"""`GET /api/stream`: what comes, comes to all open pages, and once."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.gateway import Gateway
from tests.support.harness import enter
from tests.web.conftest import MakeSite


class Page:
    """An open page: the messages that it is sent, as (event, id, data)."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def next(self) -> tuple[str, str | None, Any]:
        name, id, data = "", None, None
        for line in self._lines:
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "id":
                id = value
            elif field == "data":
                data = json.loads(value)
            elif not line and data is not None:
                return name, id, data
        raise AssertionError("the stream ended")

    def until(self, name: str) -> tuple[str | None, Any]:
        while True:
            found, id, data = self.next()
            if found == name:
                return id, data

    def entry(self) -> tuple[str | None, Any]:
        while True:
            id, data = self.until("event")
            if data["kind"] == "VEHICLE_ENTRY_PENDING":
                return id, data


@contextmanager
def page(gateway: Gateway, last: str | None = None) -> Iterator[Page]:
    headers = {"Last-Event-ID": last.encode()} if last is not None else {}
    with gateway.http.stream("GET", "/api/stream", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Page(answer.iter_lines())


def test_an_event_comes_to_each_open_page(gateway: Gateway) -> None:
    with page(gateway) as one, page(gateway) as two:
        assert one.until("status")[1]["daemon"] == "up"
        two.until("status")
        opened = enter(gateway.central, "29A00001", plate_view="29A-000.01")
        found = one.until("event")
        assert found == two.until("event")
        id, event = found
        assert id == str(event["id"])
        assert event["event_id"] == opened["event_id"]
        assert (event["kind"], event["status"]) == ("VEHICLE_ENTRY_PENDING", "IN")
        assert (event["plate_view"], event["camera_type"]) == ("29A-000.01", "car")
        assert (event["central"], event["edge_id"]) == ("central-1", "in-1")


def test_a_page_that_was_away_gets_what_it_missed_once_and_in_order(gateway: Gateway) -> None:
    with page(gateway) as first:
        first.until("status")
        enter(gateway.central, "29A10000")
        last, _ = first.entry()
    for number in range(1, 4):
        enter(gateway.central, f"29A1000{number}")
    with page(gateway, last) as again:
        seen = [again.entry()[1]["plate_id"] for _ in range(3)]
        enter(gateway.central, "29A10004")
        seen.append(again.entry()[1]["plate_id"])
    assert seen == [f"29A1000{number}" for number in range(1, 5)]


def test_a_new_page_is_not_sent_what_is_past(gateway: Gateway) -> None:
    enter(gateway.central, "29A20001")
    with page(gateway) as fresh:
        fresh.until("status")
        enter(gateway.central, "29A20002")
        assert fresh.entry()[1]["plate_id"] == "29A20002"


@pytest.mark.parametrize("last", ["", "x", "-1", "1.5", "9" * 40, "٣"])
def test_an_id_that_is_none_is_as_good_as_no_id(gateway: Gateway, last: str) -> None:
    with page(gateway, last) as fresh:
        assert fresh.until("status")[1]["success"] is True


def test_what_a_peer_recorded_comes_too_and_a_stopped_daemon_is_said(make_site: MakeSite) -> None:
    with make_site(2) as site:
        site.start()
        site.wait_connected()
        here, there = site.centrals
        with Gateway(here) as gateway, page(gateway) as open_page:
            open_page.until("status")
            enter(there, "51F12345")
            assert open_page.entry()[1]["central"] == "central-2"
            here.stop()
            while (state := open_page.until("status")[1])["daemon"] == "up":
                pass
            assert state["running"] is False
            assert state["error"]["code"] == "daemon_unreachable"
            here.start()
            while open_page.until("status")[1]["daemon"] == "away":
                pass
            enter(here, "51F12346")
            assert open_page.entry()[1]["plate_id"] == "51F12346"
