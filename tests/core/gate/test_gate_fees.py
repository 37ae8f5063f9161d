"""What an exit is charged: tariff, quote, lost ticket and pass; and who may override."""

from typing import Any

import pytest

from tests.core.events.test_payloads import DECEMBER, STAFF, import_passes, import_staff, set_tariff
from tests.support.centrals import EDGE, HOUR_S, PLATE, Driven, code, meet, pair
from tests.support.tariffs import AIRPORT, CENTRE, flat
from zparkd.core.events.event import Kind, Position
from zparkd.core.gate.charges import computed_again
from zparkd.core.tariff.pricing import BUILT_IN, Tariff

LOST = {"rate": [AIRPORT["rate"][0] | {"lost_ticket": 50_000}]}


def inside(minutes: float, document: Any = None, **options: Any) -> Driven:
    """A central with this tariff, where a car came in so many minutes ago."""
    driven = Driven(**options)
    if document is not None:
        set_tariff(driven, document)
    assert driven.open(request_id="in")["action"] == "ENTRY"
    driven.wait(minutes * 60)
    return driven


def leave(driven: Driven, edge_id: str = EDGE, **fields: Any) -> Any:
    answer = driven.open(edge_id, direction="EXIT", **fields)
    assert answer["success"], answer
    return answer


def fees_compute_again(driven: Driven) -> None:
    """Each exit held says enough for its fee to be computed again."""
    tariffs: dict[Position | None, Tariff] = {None: BUILT_IN}
    events = driven.events()
    held = driven.store.reference.tariff()
    if held is not None:
        assert held.tariff.set_by is not None
        tariffs[Position(*held.tariff.set_by)] = held.tariff
    for event in events:
        if event.kind == Kind.EXIT and event.facts is not None and event.facts.names is not None:
            named = event.facts.tariff
            tariff = tariffs[Position(*named) if named is not None else None]
            zone = driven.settings.zone
            assert computed_again(event.facts, event.timestamp, tariff, zone) == event.facts.fee
            lines = event.facts.breakdown or ()
            assert sum(int(line["amount"]) for line in lines) == event.facts.fee


# --- the tariff -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "fee"), [(9, 0), (11, 15_000), (60, 15_000), (61, 20_000), (125, 30_000)]
)
def test_the_airport(minutes: int, fee: int) -> None:
    driven = inside(minutes, AIRPORT)
    assert driven.detect()["vehicle_info"]["fee"] == fee
    answer = leave(driven)
    assert (answer["fee"], answer["currency"]) == (fee, "VND")
    assert driven.history()[-1]["fee"] == fee
    fees_compute_again(driven)


def test_the_city_centre() -> None:
    assert leave(inside(8 * 60, CENTRE))["fee"] == 300_000


def test_an_exit_keeps_the_version_and_how_its_fee_came_about() -> None:
    driven = inside(61, AIRPORT)
    leave(driven)
    facts = driven.last().facts
    assert facts is not None
    assert (facts.tariff, facts.tariff_version) == (("central-1", 1, 1), 1)
    assert [line["amount"] for line in facts.breakdown or ()] == [15_000, 5_000]
    assert (facts.priced_ms, facts.lost_ticket, facts.pass_until) == (None, False, None)


def test_without_a_tariff_the_built_in_one_counts() -> None:
    driven = inside(61)
    assert leave(driven)["fee"] == 50_000
    facts = driven.last().facts
    assert facts is not None
    assert (facts.tariff, facts.tariff_version) == (None, None)
    fees_compute_again(driven)


def test_the_currency_is_that_of_the_rate() -> None:
    document = {"rate": [flat(700)["rate"][0] | {"currency": "EUR"}]}
    answer = leave(inside(5, document))
    assert (answer["fee"], answer["currency"]) == (700, "EUR")


def test_a_stay_is_priced_by_the_tariff_at_its_exit() -> None:
    driven = inside(5, flat(1))
    set_tariff(driven, flat(2))
    assert leave(driven)["fee"] == 2


def test_a_tariff_set_at_one_central_prices_at_the_others() -> None:
    one, other = pair()
    one.open()
    meet(one, other)
    set_tariff(one, CENTRE)
    meet(one, other)
    for driven in (one, other):
        driven.wait(8 * HOUR_S - 60)
    answer = leave(other, request_id="out")
    assert answer["fee"] == 300_000
    meet(one, other)
    assert leave(one, request_id="out")["fee"] == 300_000
    fees_compute_again(one)
    fees_compute_again(other)


def test_an_exit_by_force_of_a_vehicle_that_never_came_costs_nothing() -> None:
    driven = Driven()
    set_tariff(driven, LOST)
    answer = leave(driven, force=True, reason="r")
    assert (answer["fee"], answer["unmatched"]) == (0, True)


def test_a_negative_stay_is_priced_as_one_of_no_length() -> None:
    driven = inside(0, flat(3))
    driven.wall_ms -= 500
    assert leave(driven)["fee"] == 3


# --- the quote ------------------------------------------------------------------------------------


def test_an_exit_soon_after_its_detection_is_charged_what_was_quoted() -> None:
    driven = inside(59, AIRPORT)
    assert driven.detect()["vehicle_info"]["fee"] == 15_000
    driven.wait(180)
    set_tariff(driven, flat(1_000_000))
    answer = leave(driven)
    assert (answer["fee"], answer["duration_s"]) == (15_000, 62 * 60)
    facts = driven.last().facts
    assert facts is not None
    assert facts.priced_ms == driven.wall_ms - 180_000
    assert facts.tariff_version == 1


def test_what_was_quoted_counts_also_where_the_open_misreads_the_plate() -> None:
    driven = inside(59, AIRPORT)
    told = driven.detect()["vehicle_info"]
    driven.wait(180)
    set_tariff(driven, flat(1_000_000))
    answer = driven.open(plate_id="29AI2345", event_id=told["event_id"])
    assert (answer["fee"], answer["plate_read"]) == (15_000, "29AI2345")


def test_a_quote_that_is_computed_again_is_the_same() -> None:
    driven = inside(59, AIRPORT)
    driven.detect()
    driven.wait(180)
    leave(driven)
    fees_compute_again(driven)


@pytest.mark.parametrize(
    ("edge_id", "detected", "seconds"),
    [(EDGE, PLATE, 181), ("edge-2", PLATE, 180), (EDGE, "30F99999", 180)],
)
def test_no_other_quote_counts(edge_id: str, detected: str, seconds: int) -> None:
    driven = inside(59, AIRPORT)
    driven.detect(edge_id, detected)
    driven.wait(seconds)
    assert leave(driven)["fee"] == 20_000


def test_the_last_quote_counts() -> None:
    driven = inside(59, AIRPORT)
    driven.detect()
    driven.wait(90)
    assert driven.detect()["vehicle_info"]["fee"] == 20_000
    driven.wait(90)
    assert leave(driven)["fee"] == 20_000


def test_a_quote_of_an_earlier_stay_does_not_count() -> None:
    driven = inside(59, AIRPORT)
    driven.detect()
    leave(driven)
    driven.open(direction="ENTRY")
    driven.wait(60)
    assert leave(driven)["fee"] == 0


def test_a_quote_is_forgotten_with_a_restart() -> None:
    driven = inside(59, AIRPORT)
    driven.detect()
    driven.wait(120)
    driven.start()
    assert leave(driven)["fee"] == 20_000


# --- the lost ticket ------------------------------------------------------------------------------


def test_a_lost_ticket_is_added_to_what_was_quoted() -> None:
    driven = inside(59, LOST)
    driven.detect()
    driven.wait(120)
    assert leave(driven, lost_ticket=True)["fee"] == 65_000
    fees_compute_again(driven)


def test_a_lost_ticket_must_be_true_or_false() -> None:
    driven = inside(59, LOST)
    answer = driven.open(direction="EXIT", lost_ticket="yes")
    assert code(answer) == "bad_request"
    assert answer["error"]["message"].startswith("lost_ticket: ")


# --- passes ---------------------------------------------------------------------------------------


def test_who_has_a_pass_leaves_without_paying() -> None:
    driven = inside(61, LOST)
    import_passes(driven, DECEMBER)
    told = {"holder": "Nguyễn Văn A", "valid_until": "2025-12-31"}
    assert driven.detect()["vehicle_info"]["pass"] == told
    answer = leave(driven, lost_ticket=True)
    assert (answer["fee"], answer["pass"]) == (0, told)
    assert b"Nguy" not in driven.last().skeleton
    fees_compute_again(driven)


def test_without_a_pass_there_is_none_in_the_answer() -> None:
    driven = inside(61)
    assert "pass" not in driven.detect()["vehicle_info"]
    assert "pass" not in leave(driven)


@pytest.mark.parametrize(
    ("hours", "free"),
    # The stay begins at 10:30 of the 2nd.
    [(13.4, True), (13.6, False)],
)
def test_a_pass_counts_by_the_site_date_of_the_exit(hours: float, free: bool) -> None:
    driven = inside(hours * 60)
    import_passes(driven, DECEMBER._replace(valid_until="2025-12-02"))
    fee = leave(driven)["fee"]
    assert fee == (0 if free else 14 * 25_000)


def test_a_pass_that_came_after_the_quote_counts() -> None:
    driven = inside(61)
    driven.detect()
    import_passes(driven, DECEMBER)
    driven.wait(10)
    assert leave(driven)["fee"] == 0


def test_a_pass_of_another_type_does_not_count() -> None:
    driven = inside(61)
    import_passes(driven, DECEMBER._replace(camera_type="motorbike"))
    assert leave(driven)["fee"] == 50_000


# --- retries --------------------------------------------------------------------------------------


def test_a_retry_gets_the_same_answer_whatever_changed_since() -> None:
    one, other = pair()
    set_tariff(one, LOST)
    import_passes(one, DECEMBER._replace(plate_id="30F99999"))
    for plate in (PLATE, "30F99999"):
        one.open(plate_id=plate)
    one.wait(3660)
    told = [
        leave(one, plate_id=plate, request_id=f"out {plate}", lost_ticket=True)
        for plate in (PLATE, "30F99999")
    ]
    assert [answer["fee"] for answer in told] == [70_000, 0]
    set_tariff(one, flat(9))
    import_passes(one)
    import_staff(one, STAFF)
    one.start()
    meet(one, other)
    for driven in (one, other):
        again = [
            leave(driven, plate_id=plate, request_id=f"out {plate}")
            for plate in (PLATE, "30F99999")
        ]
        assert again == told


# --- staff ----------------------------------------------------------------------------------------


def test_without_a_staff_list_everybody_may_override() -> None:
    driven = inside(5)
    assert driven.open(direction="ENTRY", force=True, reason="r")["success"]
    import_staff(driven, STAFF)
    import_staff(driven)
    assert driven.open(direction="ENTRY", force=True, reason="r", staff_id="x")["success"]


@pytest.mark.parametrize("plate_id", [PLATE, None])
@pytest.mark.parametrize(
    ("staff_id", "said"), [(None, "is missing"), ("nv02", "'nv02' is not one")]
)
def test_with_one_an_override_carries_somebody_who_is_on_it(
    plate_id: str | None, staff_id: str | None, said: str
) -> None:
    driven = inside(5)
    import_staff(driven, STAFF)
    asked = {"plate_id": plate_id, "force": True, "reason": "r"}
    answer = driven.open(**asked, staff_id=staff_id)
    assert code(answer) == "bad_request"
    assert answer["error"]["message"].startswith("staff_id: ")
    assert said in answer["error"]["message"]
    assert driven.open(**asked, staff_id="nv01")["success"]


def test_what_is_no_override_needs_nobody() -> None:
    driven = inside(5)
    import_staff(driven, STAFF)
    assert leave(driven)["success"]


def test_who_was_taken_off_the_list_may_not_override_any_more() -> None:
    driven = inside(5)
    import_staff(driven, STAFF, STAFF._replace(staff_id="nv02"))
    import_staff(driven, STAFF)
    assert code(driven.open(force=True, reason="r", staff_id="nv02")) == "bad_request"


def test_a_retry_of_an_override_is_answered_also_when_its_staff_left() -> None:
    driven = inside(5)
    import_staff(driven, STAFF)
    asked = {"direction": "ENTRY", "force": True, "reason": "r", "request_id": "again"}
    told = driven.open(**asked, staff_id="nv01")
    import_staff(driven, STAFF._replace(staff_id="nv02"))
    assert driven.open(**asked, staff_id="nv01") == told
