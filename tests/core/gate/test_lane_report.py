"""What a lane controller says of its lane: taken as it is meant, never for the camera itself."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.centrals import EDGE, PLATE, Driven, code, success
from zparkd.core.gate.lane_report import LaneReport, read_report

SAID = {"last_event_ms": 1_795_231_805_000, "reads": 3, "misreads": 1, "open_p50_ms": 38.5}


def test_what_was_said_last_of_a_lane_is_known_and_its_edge_was_not_heard() -> None:
    central = Driven()
    assert success(central.ask("PING", lane=SAID))
    assert success(central.ask("PING", lane=SAID | {"reads": 4, "unknown": "member"}))
    [(said, at_ms)] = central.central.edges.reports().values()
    assert (said.reads, said.misreads, said.opened, at_ms) == (4, 1, 0, central.wall_ms)
    assert central.central.edges.seen() == []
    assert central.central.edges.unwritten() == []
    central.wait(60)
    assert success(central.detect(plate_id=PLATE))
    central.wait(60)
    assert success(central.ask("PING", lane=SAID))
    assert central.central.edges.seen() == [(EDGE, central.wall_ms - 60_000)]


@pytest.mark.parametrize(
    "lane", [1, "x", [], {"reads": -1}, {"silent": 1}, {"fault": "x" * 257}, {"fault": "a\nb"}]
)
def test_a_report_that_is_none_is_refused_by_name(lane: Any) -> None:
    answer = Driven().ask("PING", lane=lane)
    assert code(answer) == "bad_request"
    assert answer["error"]["message"].startswith("lane: ")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from([*LaneReport.__struct_fields__, "other"]), values))
def test_whatever_is_said_is_read_or_refused(said: dict[str, Any]) -> None:
    with suppress(ValueError):
        report = read_report(said)
        assert report.reads >= 0
        assert report.fault is None or report.fault.isprintable()
