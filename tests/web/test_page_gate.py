"""A person at the gate, on the page: asking in the place of a lane's camera."""

import json

import pytest

from tests.support.browser import Page
from tests.support.gateway import Gateway
from tests.support.harness import ask, enter
from tests.support.pages import Open
from tests.web.conftest import MakeSite
from tests.web.test_page_acts import fill, hours_ago
from zparkd.testbed.loopback import zparkctl

TARIFF = """[[rate]]
camera_type = "car"
lost_ticket = 50000
[[rate.step]]
every_minutes = 60
amount = 10000
"""


@pytest.fixture
def gateway(make_site: MakeSite, open_page: Open) -> Gateway:
    central = make_site(1).centrals[0]
    central.start()
    return open_page.serve(central)


def look(page: Page, plate: str, direction: str = "EXIT", edge: str = "out-1") -> None:
    """Say who stands at which lane."""
    page.wait("document.querySelector('input[name=edge_id]')")
    page.write("input[name=edge_id]", edge)
    page.choose("select[name=direction]", direction)
    page.write("input[name=plate]", plate)
    page.click("main form button.main")


def stays(gateway: Gateway) -> list[dict]:
    return gateway.get("/api/parking/history").json()["history"]


def acts(gateway: Gateway) -> list[dict]:
    return json.loads(zparkctl(gateway.central.config, "audit", "--json"))


def test_a_car_is_let_in_and_out_by_hand_with_what_it_pays(
    gateway: Gateway, open_page: Open
) -> None:
    page = open_page(gateway, "gate")
    look(page, "29A-123.45", "ENTRY", "in-1")
    page.see("Không có trong bãi", ".panel")
    page.click("[data-act=let_in]")
    fill(page)
    page.see("Được mở", ".opened")
    look(page, "29a 12345")
    page.see("Phải trả 25.000 ₫", ".panel")
    page.click("[data-act=let_out]")
    page.see("Tại làn out-1", "dialog")
    fill(page)
    page.see("Xe ra 29A12345 25.000 ₫", ".opened")
    [stay] = stays(gateway)
    assert (stay["status"], stay["fee"], stay["exit_edge_id"]) == ("OUT", 25000, "out-1")


def test_a_misread_plate_leaves_as_the_vehicle_that_is_picked(
    gateway: Gateway, open_page: Open
) -> None:
    enter(gateway.central, "29A12345", plate_view="29A-123.45")
    enter(gateway.central, "30F77777")
    page = open_page(gateway, "gate")
    look(page, "Z9A12345")
    page.see("29A-123.45", "main table")
    page.see("Rất giống", "main table")
    assert "30F77777" not in page.js("document.querySelector('main table').innerText")
    page.click("[data-act=pick]")
    page.see("Camera đọc thành Z9A12345", ".panel")
    page.click("[data-act=let_out]")
    page.see("kèm ghi chú đọc sai biển số", "dialog")
    fill(page)
    page.see("29A12345 25.000 ₫", ".opened")
    left = next(stay for stay in stays(gateway) if stay["plate_id"] == "29A12345")
    assert (left["status"], left["plate_read"], left["remarks"]) == ("OUT", "Z9A12345", "MISREAD")


def test_a_car_and_a_motorbike_with_one_plate_are_told_apart_by_who_stands_there(
    gateway: Gateway, open_page: Open
) -> None:
    enter(gateway.central, "29A12345", camera_type="car")
    motorbike = {"plate_id": "29A12345", "camera_type": "motorbike", "direction": "ENTRY"}
    assert ask(gateway.central, "in-2", "BARRIER_OPEN", **motorbike)["success"]
    page = open_page(gateway, "gate")
    look(page, "29A12345")
    page.see("chọn một", "main table caption")
    page.see("Xe máy", "main tbody tr:nth-child(1)")
    page.click("main tbody tr:nth-child(1) [data-act=pick]")
    page.click("[data-act=let_out]")
    fill(page)
    page.see("Được mở", ".opened")
    left = {stay["camera_type"]: stay["status"] for stay in stays(gateway)}
    assert left == {"motorbike": "OUT", "car": "IN"}


def test_a_lost_ticket_with_an_entry_costs_what_the_tariff_adds(
    gateway: Gateway, open_page: Open
) -> None:
    file = gateway.central.folder / "tariff.toml"
    file.write_text(TARIFF)
    zparkctl(gateway.central.config, "tariff", "set", str(file))
    enter(gateway.central, "29A12345")
    page = open_page(gateway, "gate")
    look(page, "29A12345")
    page.click("[data-act=let_out]")
    page.click("dialog input[name=lost_ticket]")
    fill(page)
    page.see("60.000 ₫", ".opened")
    assert stays(gateway)[0]["fee"] == 60000


def test_a_lost_ticket_without_an_entry_pays_from_the_time_that_was_agreed_on(
    gateway: Gateway, open_page: Open
) -> None:
    file = gateway.central.folder / "tariff.toml"
    file.write_text(TARIFF)
    zparkctl(gateway.central.config, "tariff", "set", str(file))
    page = open_page(gateway, "gate")
    look(page, "29A12345")
    page.see("Không xe nào trong bãi có biển số gần giống", ".panel")
    page.click("[data-act=force_out]")
    page.click("dialog input[name=lost_ticket]")
    since = hours_ago(2)[:16].replace(" ", "T")
    page.js(f"document.querySelector('dialog input[name=entry_time]').value = '{since}'")
    fill(page)
    page.see("Không kết thúc lượt gửi nào", ".opened")
    page.see("80.000 ₫", ".opened")  # of the third hour a minute at most has begun
    [conflict] = gateway.get("/api/conflicts").json()["conflicts"]
    assert (conflict["kind"], conflict["fee"]) == ("UNMATCHED", 80000)


def test_what_has_no_plate_and_who_is_inside_are_opened_for_by_force_and_audited(
    gateway: Gateway, open_page: Open
) -> None:
    enter(gateway.central, "29A12345")
    page = open_page(gateway, "gate")
    look(page, "", "ENTRY", "in-1")
    page.click("[data-act=manual]")
    fill(page, reason="xe cứu thương")
    page.see("Mở không biển số", ".opened")
    look(page, "29A12345", "ENTRY", "in-1")
    page.see("Trong bãi từ", ".panel")
    page.click("[data-act=force_in]")
    fill(page, reason="bảo vệ thấy xe")
    page.see("Xe vào 29A12345", ".opened")
    assert [(act["why"], act["staff_id"], act["edge_id"]) for act in acts(gateway)] == [
        ("bảo vệ thấy xe", "nv01", "in-1"),
        ("xe cứu thương", "nv01", "in-1"),
    ]
    assert [stay["status"] for stay in stays(gateway)] == ["IN", "OUT"]


def test_a_full_car_park_lets_one_more_in_only_when_a_person_says_so(
    gateway: Gateway, open_page: Open
) -> None:
    open_page.cuts_are_expected = True  # a refusal
    file = gateway.central.folder / "policy.toml"
    file.write_text('[capacity]\ncar = 1\n\n[entry]\nfull = "refuse"\n')
    zparkctl(gateway.central.config, "policy", "set", str(file))
    enter(gateway.central, "29A12345")
    page = open_page(gateway, "gate")
    look(page, "30F77777", "ENTRY", "in-1")
    page.click("[data-act=let_in]")
    page.write("dialog input[name=staff_id]", "nv01")
    page.write("dialog input[name=reason]", "x")
    page.click("dialog form .actions button")
    page.see("Bãi đã đầy", "dialog .fault")
    page.press("Escape")
    page.wait("!document.querySelector('dialog')")
    page.click("[data-act=force_in]")
    fill(page)
    page.see("Xe vào 30F77777", ".opened")
    assert ask(gateway.central, "in-1", "DETECTION", plate_id="30F77777")["vehicle_info"][
        "already_inside"
    ]
