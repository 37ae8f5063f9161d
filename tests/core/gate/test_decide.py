"""What is decided of a request, for anything that may have been looked up."""

from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from zparkd.core.clock import Stamp
from zparkd.core.events.event import Kind, Position, VehicleKey
from zparkd.core.gate.gate import Answer, Decision, Record, Refuse, decide
from zparkd.core.gate.requests import Code, Request, RequestType
from zparkd.core.gate.resolve import Resolved
from zparkd.core.log import HeldStay
from zparkd.core.site import Direction, Lane, Settings
from zparkd.core.stays.fold import ClosedBy, Stay

CAR = VehicleKey("car", "29A12345")
NOW_MS = 1_764_646_200_000
SETTINGS = Settings("c-1", "lot", "UTC", ZoneInfo("UTC"), (), (), 1_000, 3_000, 100.0)

directions = st.sampled_from([None, *Direction])
stays = st.builds(
    HeldStay,
    st.just(1),
    st.builds(
        Stay,
        vehicle=st.just(CAR),
        entry=st.just(Position("c-2", 1, 1)),
        entry_order=st.just(1),
        entry_ms=st.just(NOW_MS - 1),
        entry_marked=st.just(False),
        entry_forced=st.just(False),
        edge_id=st.just("e"),
        plate_view=st.none(),
        confidence=st.none(),
        confirmed=st.booleans(),
        closed_by=st.sampled_from([None, ClosedBy.EXIT]),
        remarks=st.just(()),
    ),
)
requests = st.builds(
    Request,
    type=st.sampled_from(list(RequestType)),
    edge_id=st.just("e"),
    plate_id=st.just(CAR.plate_id),
    direction=directions,
    captured_ms=st.sampled_from([None, NOW_MS, NOW_MS - 30_000, NOW_MS - 30_001]),
    force=st.booleans(),
    speaker=st.sampled_from([None, "e", "other"]),
)
found = st.builds(
    Resolved,
    request=requests,
    settings=st.just(SETTINGS),
    time=st.just(Stamp(NOW_MS, marked=False, earliest_ms=NOW_MS))
    | st.builds(Stamp, st.just(NOW_MS + 60_000), st.just(True), st.just(NOW_MS)),
    lane=st.builds(Lane, st.just("e"), direction=directions),
    within_rate=st.booleans(),
    may_force=st.booleans(),
    seen_before=st.booleans(),
    vehicle=st.just(CAR),
    held=st.none() | stays,
    direction=st.sampled_from(list(Direction)),
)


def recorded(decision: Decision) -> Kind | None:
    if isinstance(decision, Record):
        return decision.kind
    return Kind.SEEN if isinstance(decision, Refuse) and decision.seen else None


@given(found)
def test_who_may_not_ask_is_refused_and_leaves_nothing(found: Resolved) -> None:
    if not found.within_rate or found.request.speaker == "other":
        decision = decide(found)
        assert isinstance(decision, Refuse)
        assert recorded(decision) is None
        assert decision.refusal.code in ("rate_limited", "forbidden")


@given(found)
def test_each_type_of_request_records_its_own_kinds_only(found: Resolved) -> None:
    kinds = {
        RequestType.PING: {None},
        RequestType.DETECTION: {None},
        RequestType.BARRIER_OPEN: {None, Kind.ENTRY, Kind.EXIT, Kind.SEEN},
        RequestType.BARRIER_CLOSE: {None, Kind.CONFIRM},
    }
    assert recorded(decide(found)) in kinds[found.request.type]


@given(found)
def test_without_force_one_that_is_inside_does_not_enter_and_one_that_is_not_does_not_leave(
    found: Resolved,
) -> None:
    decision = decide(found)
    if isinstance(decision, Record) and not found.request.force:
        assert not decision.forced
        if decision.kind is Kind.ENTRY:
            assert found.held is None
        else:
            assert found.held is not None
            assert decision.stay == found.held.stay


@given(found)
def test_nothing_opens_for_what_was_seen_more_than_30_s_before_the_earliest_that_it_may_be(
    found: Resolved,
) -> None:
    captured_ms = found.request.captured_ms
    late = captured_ms is not None and NOW_MS - captured_ms > 30_000
    if found.request.type is not RequestType.BARRIER_OPEN:
        return
    decision = decide(found)
    if late:
        assert isinstance(decision, Refuse)
    elif isinstance(decision, Refuse):
        assert decision.refusal.code is not Code.TOO_LATE


@given(found)
def test_a_close_confirms_an_open_stay_once(found: Resolved) -> None:
    decision = decide(found)
    if isinstance(decision, Record) and decision.kind is Kind.CONFIRM:
        assert found.held is not None
        assert (found.held.stay.closed_by, found.held.stay.confirmed) == (None, False)


@given(found)
def test_the_same_is_decided_of_the_same(found: Resolved) -> None:
    first, again = decide(found), decide(found)
    if isinstance(first, Refuse) and isinstance(again, Refuse):
        assert first.refusal.message == again.refusal.message
    else:
        assert first == again
        assert isinstance(first, Record | Answer)
