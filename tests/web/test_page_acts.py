"""What people do on the page: each act is asked, recorded with its reason, and shown."""

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.support.gateway import Gateway
from tests.support.harness import enter, leave, wait_connected, wait_equal
from tests.support.pages import Open
from tests.web.conftest import MakeSite
from zparkd.testbed.loopback import LoopbackCentral, wait_for, zparkctl


@pytest.fixture
def gateway(make_site, open_page: Open) -> Gateway:
    central = make_site(1).centrals[0]
    central.start()
    return open_page.serve(central)


@pytest.fixture
def healed(make_site: MakeSite) -> LoopbackCentral:
    """A central of two that were cut off, where the car that counts came in two hours earlier.

    The other central charged it from its own entry, so a sum is to be settled.
    """
    site = make_site(2, links=[])
    site.start()
    one, two = site.centrals
    said = ("--staff", "nv01", "--reason", "camera was off")
    zparkctl(one.config, "vehicle", "enter", "29A12345", "--at", hours_ago(2), *said)
    enter(two, "29A12345")
    leave(two, "29A12345")
    one.knows(two)
    two.knows(one)
    wait_equal([one, two], when=lambda found: [row["status"] for row in found] == ["OUT"])
    return one


def hours_ago(hours: int) -> str:
    """A time of the site."""
    now = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")) - timedelta(hours=hours)
    return f"{now:%Y-%m-%d %H:%M:%S}"


def story(gateway: Gateway, plate: str) -> dict:
    return json.loads(zparkctl(gateway.central.config, "vehicle", "show", plate, "--json"))


def fill(page, **fields: str) -> None:
    """Fill in the question that is open, and say yes."""
    for name, text in {"staff_id": "nv01", "reason": "bảo vệ thấy", **fields}.items():
        page.write(f"dialog input[name={name}]", text)
    page.click("dialog form > .actions button")
    page.wait("!document.querySelector('dialog')")


def test_a_misread_plate_is_put_right_where_its_stay_is_shown(
    gateway: Gateway, open_page: Open
) -> None:
    enter(gateway.central, "29A12346")
    page = open_page(gateway, "vehicles/29A12346")
    page.click("[data-act=correct]")
    page.see("Cả lượt gửi chuyển sang biển số mới", "dialog")
    fill(page, plate="29A-123.45")
    page.see("29A-123.45", "h2.of-vehicle")
    page.see("Đã đính chính", ".stays")
    assert leave(gateway.central, "29A12345")["success"]


def test_a_car_that_left_unseen_is_closed_and_its_fee_counts(
    gateway: Gateway, open_page: Open
) -> None:
    enter(gateway.central, "29A12345")
    page = open_page(gateway, "vehicles/29A12345")
    page.click("[data-act=close]")
    fill(page, fee="25000")
    page.see("Kết thúc thủ công", ".stays")
    page.see("25.000", ".stays")
    page.click("[data-act=charge]")
    fill(page, amount="-5000")
    page.see("-5.000", ".stays")


def test_an_exit_that_never_happened_is_void_and_the_car_is_inside_again(
    gateway: Gateway, open_page: Open
) -> None:
    enter(gateway.central, "29A12345")
    leave(gateway.central, "29A12345")
    page = open_page(gateway, "vehicles/29A12345")
    page.see("Không ở trong bãi", "h2.of-vehicle")
    page.click("[data-act=void_exit]")
    fill(page)
    page.see("Trong bãi từ", "h2.of-vehicle")


def test_a_car_that_no_camera_saw_comes_in_by_hand_and_the_audit_says_who_and_why(
    gateway: Gateway, open_page: Open
) -> None:
    page = open_page(gateway, "vehicles?plate=29A55555")
    page.click("[data-act=enter]")
    fill(page)
    page.see("29A55555", "h2.of-vehicle")
    page.see("Ghi lượt vào thủ công", ".stays")
    page.go(f"{gateway.url}/#/audit")
    page.see("bảo vệ thấy", "table")
    page.see("nv01", "table")


def test_a_refusal_is_told_in_the_question_which_stays(gateway: Gateway, open_page: Open) -> None:
    open_page.cuts_are_expected = True
    enter(gateway.central, "29A12345")
    page = open_page(gateway, "vehicles/29A12345")
    page.click("[data-act=correct]")
    page.write("dialog input[name=plate]", "29A12345")
    page.write("dialog input[name=staff_id]", "nv01")
    page.write("dialog input[name=reason]", "x")
    page.click("dialog form > .actions button")
    page.see("29A12345", "dialog .fault")


def test_a_policy_is_set_and_told_in_words(gateway: Gateway, open_page: Open) -> None:
    page = open_page(gateway, "policy")
    page.see("Mặc định", "main")
    page.write("textarea", '[capacity]\ncar = 200\n\n[entry]\nfull = "refuse"\n')
    page.click("section:last-of-type button.main")
    page.click("dialog button.main")
    page.see("Phiên bản 1, áp dụng tại central-1", "main")
    page.see("đầy khi có 200 xe trong bãi", "main")
    page.see("Khi đầy không cho vào", "main")


def test_a_shift_is_handed_over_by_a_report_that_can_be_taken_along(
    gateway: Gateway, open_page: Open
) -> None:
    enter(gateway.central, "29A12345")
    enter(gateway.central, "29A12346")
    leave(gateway.central, "29A12345")
    page = open_page(gateway, "reports")
    page.see("Đủ sự kiện của mọi central", "main")
    page.see("Đầu kỳ", ".report dl")
    href = page.js("document.querySelector('.report a[download]').getAttribute('href')")
    sheet = gateway.http.get(href)
    assert sheet.content.startswith(b"\xef\xbb\xbf")
    assert sheet.headers["content-type"].startswith("text/csv")


def test_what_a_merge_found_too_little_is_charged_where_it_is_shown(
    healed: LoopbackCentral, open_page: Open
) -> None:
    gateway = open_page.serve(healed)
    page = open_page(gateway, "conflicts")
    page.see("Tính phí từ lượt vào khác", "main table")
    page.see("Còn thu thiếu tổng cộng 50.000", "main")
    page.see("Xung đột: 2", "header")
    page.click("[data-act=settle]")
    page.see("cộng vào lượt gửi và vào doanh thu lúc này", "dialog")
    fill(page)
    page.wait("!document.querySelector('.due')")
    page.see("Xung đột: 1", "header")
    assert "Tính phí từ lượt vào khác" not in page.js(
        "document.querySelector('main table').innerText"
    )
    page.go(f"{gateway.url}/#/vehicles/29A12345")
    page.see("50.000", ".stays")


def test_a_conflict_is_acknowledged_where_it_is_shown_and_all_centrals_know(
    healed: LoopbackCentral, open_page: Open
) -> None:
    gateway = open_page.serve(healed)
    page = open_page(gateway, "conflicts")
    page.see("Vào hai lần", "main table")
    page.see("Xung đột: 2", "header")
    page.click("tr:has(.mark.warn) [data-act=ack]")
    page.see("Lượt gửi và tiền không thay đổi", "dialog")
    fill(page, reason="đã gọi chủ xe")
    page.see("Xung đột: 1", "header")
    page.click("a[href='#/conflicts?all=1']")
    page.see("nv01 đã xử lý: đã gọi chủ xe", "main table")
    page.click("a[href='#/conflicts']")
    page.click("[data-act=ack]")
    fill(page)
    page.see("Không có xung đột", "main")
    page.wait("document.querySelector('#open').hidden")
    wait_for("nothing is open", lambda: healed.status()["open_conflicts"] == 0)


def test_a_vehicle_that_left_is_erased_once_its_plate_was_typed_again(
    gateway: Gateway, open_page: Open
) -> None:
    enter(gateway.central, "29A12345")
    page = open_page(gateway, "vehicles/29A12345")
    page.see("Trong bãi từ", "h2.of-vehicle")
    assert page.js("document.querySelector('[data-act=erase]')") is None  # not while it is inside
    leave(gateway.central, "29A12345")
    page.click("[data-act=erase]")
    page.see("Không khôi phục được", "dialog")
    page.write("dialog input[name=again]", "29A12346")
    page.write("dialog input[name=staff_id]", "nv01")
    page.write("dialog input[name=reason]", "chủ xe yêu cầu")
    page.click("dialog form > .actions button")
    page.see("Biển số gõ lại chưa đúng", "dialog .fault")
    fill(page, again="29A-123.45", reason="chủ xe yêu cầu")
    page.see("Đã xóa dữ liệu cá nhân của 3 sự kiện", "#toast")
    assert gateway.get("/api/parking/vehicles/29A12345").status_code == 404
    [stay] = gateway.get("/api/parking/history").json()["history"]
    assert (stay["plate_id"], stay["fee"]) == (None, 25000)
    page.go(f"{gateway.url}/#/audit")
    page.see("chủ xe yêu cầu", "table")


def test_a_car_that_came_in_at_another_gate_is_let_out_where_it_stands(
    make_site: MakeSite, open_page: Open
) -> None:
    site = make_site(2)
    site.start()
    one, two = site.centrals
    wait_connected(one, two)
    enter(one, "29A12345", plate_view="29A-123.45")
    page = open_page(open_page.serve(two), "vehicles/29A12345")
    page.see("Trong bãi từ", "h2.of-vehicle")
    page.click(".stays a.button")
    page.write("input[name=edge_id]", "out-9")
    page.click("main form button.main")
    page.see("Phải trả 25.000", ".panel")
    page.click("[data-act=let_out]")
    fill(page)
    page.see("Xe ra 29A12345 25.000", ".opened")
    [stay] = wait_equal([one, two], when=lambda found: found[0]["status"] == "OUT")
    assert (stay["exit_central"], stay["exit_edge_id"], stay["fee"]) == (
        "central-2",
        "out-9",
        25000,
    )


def test_an_entry_that_turned_round_is_void_and_that_can_be_void_too(
    gateway: Gateway, open_page: Open
) -> None:
    enter(gateway.central, "29A12345")
    page = open_page(gateway, "vehicles/29A12345")
    page.click("[data-act=void]")
    page.see("lượt gửi không còn trong lịch sử", "dialog")
    fill(page, reason="xe quay đầu")
    page.see("Chưa có lượt gửi nào", "h2.of-vehicle")
    assert gateway.get("/api/parking/history").json()["history"] == []
    page.click("[data-act=void_event]")
    fill(page, reason="nhầm xe")
    page.see("Trong bãi từ", "h2.of-vehicle")
    assert [stay["status"] for stay in gateway.get("/api/parking/history").json()["history"]] == [
        "IN"
    ]


def test_a_forced_exit_turns_out_to_be_of_another_car_which_is_not_inside_any_more(
    gateway: Gateway, open_page: Open
) -> None:
    enter(gateway.central, "29A12345")
    by_hand = {"force": True, "reason": "không đọc được", "staff_id": "nv01", "fee": 25000}
    leave(gateway.central, "29B99999", **by_hand)
    page = open_page(gateway, "conflicts")
    page.see("Ra không có lượt vào", "main table")
    page.click("[data-act=whose]")
    fill(page, plate="29A12345")
    page.see("Không ở trong bãi", "h2.of-vehicle")
    page.see("25.000", ".stays")


def test_a_refund_is_in_the_report_of_the_shift_that_gave_it_back(
    gateway: Gateway, open_page: Open
) -> None:
    enter(gateway.central, "29A12345")
    leave(gateway.central, "29A12345")
    page = open_page(gateway, "vehicles/29A12345")
    page.click("[data-act=charge]")
    page.see("Phí đã ghi không đổi", "dialog")
    fill(page, amount="-10000", reason="máy tính sai")
    page.see("-10.000", ".stays")
    page.go(f"{gateway.url}/#/reports/shift")
    page.see("-10.000", ".report")
    page.see("15.000", ".report")


def test_an_empty_site_is_told_what_to_begin_with_until_the_first_vehicle_comes(
    gateway: Gateway, open_page: Open
) -> None:
    page = open_page(gateway, "now")
    page.see("Bắt đầu", ".first-steps h2")
    page.see("Đặt bảng giá", ".first-steps")
    assert "xong" not in page.js("document.querySelector('.first-steps ol').innerText")
    gateway.http.put("/api/staff", json={"staff": [{"staff_id": "nv01"}]})
    page.reload()
    page.see("xong", ".first-steps li:nth-child(4)")
    enter(gateway.central, "29A12345")
    page.wait("!document.querySelector('.first-steps')")
    page.see("29A12345", ".events")
