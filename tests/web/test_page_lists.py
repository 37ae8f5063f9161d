"""Passes and staff on the page: one entry, or a file, with what it changes before it is asked."""

from pathlib import Path

import pytest

from tests.support.browser import Page
from tests.support.gateway import Gateway
from tests.support.harness import enter, leave
from tests.support.pages import Open
from tests.web.conftest import MakeSite

CSV = """\ufeffplate_id;camera_type;valid_from;valid_until;holder
29A-123.45;car;01/12/2025;31/12/2099;"Lan; tầng 3"
30F56789;car;2025-12-01;2099-12-31;Hoa
"""


@pytest.fixture
def gateway(make_site: MakeSite, open_page: Open) -> Gateway:
    central = make_site(1).centrals[0]
    central.start()
    return open_page.serve(central)


def answer(page: Page, **fields: str) -> None:
    """Fill in the question that is open, and say yes."""
    for name, text in fields.items():
        page.wait(f"document.querySelector('dialog input[name={name}]')")
        page.js(f"document.querySelector('dialog input[name={name}]').value = '{text}'")
    page.click("dialog form > .actions button")
    page.wait("!document.querySelector('dialog')")


def give(page: Page, file: Path) -> None:
    """Choose a file in the form that imports one."""
    document = page.call("DOM.getDocument")["root"]["nodeId"]
    found = page.call("DOM.querySelector", nodeId=document, selector="input[type=file]")["nodeId"]
    page.call("DOM.setFileInputFiles", files=[str(file)], nodeId=found)
    page.click("form:has(input[type=file]) button")


def test_a_pass_is_added_changed_and_taken_away_and_counts_at_the_gate(
    gateway: Gateway, open_page: Open
) -> None:
    page = open_page(gateway, "passes")
    page.see("Không có vé nào", "main")
    page.click("[data-act=add]")
    answer(page, plate_id="29a-123.45", valid_until="2099-12-31", holder="Lan")
    page.see("29A12345", "main table")
    page.see("Còn hạn", "main table")
    enter(gateway.central, "29A12345")
    assert leave(gateway.central, "29A12345")["fee"] == 0
    page.click("[data-act=edit]")
    answer(page, holder="Hoa")
    page.see("Hoa", "main table")
    page.click("[data-act=remove]")
    page.see("trả tiền theo bảng giá", "dialog")
    answer(page)
    page.see("Không có vé nào", "main")
    assert gateway.get("/api/passes").json()["passes"] == []


def test_a_file_of_a_spreadsheet_is_taken_in_once_what_it_changes_was_seen(
    gateway: Gateway, open_page: Open, tmp_path: Path
) -> None:
    page = open_page(gateway, "passes")
    page.click("[data-act=add]")
    answer(page, plate_id="30F56789", valid_from="2025-12-01", valid_until="2026-01-31")
    file = tmp_path / "passes.csv"
    file.write_text(CSV, "utf-8")
    give(page, file)
    page.see("Thêm: 1", "dialog")
    page.see("Lan; tầng 3", "dialog .added")
    page.see("Sửa: 1", "dialog")
    answer(page)
    page.see("Lan; tầng 3", "main table")
    held = gateway.get("/api/passes").json()["passes"]
    assert [(row["plate_id"], row["valid_until"]) for row in held] == [
        ("29A12345", "2099-12-31"),
        ("30F56789", "2099-12-31"),
    ]
    page.click("[data-act=add]")
    answer(page, plate_id="51G88888", valid_until="2099-12-31")
    page.see("3 trong 3", "main table caption")
    file.write_text("plate_id;valid\n29A12345;yes\n")
    give(page, file)
    page.see("Dòng 1", "main .fault")


def test_every_fault_of_a_list_is_told_by_number(
    gateway: Gateway, open_page: Open, tmp_path: Path
) -> None:
    open_page.cuts_are_expected = True  # a list at fault is refused
    page = open_page(gateway, "passes")
    page.see("Không có vé nào", "main")
    file = tmp_path / "passes.json"
    file.write_text('[{"plate_id": "?", "camera_type": "car", "valid_from": "2025-12-01"}]')
    give(page, file)
    page.see("Thêm: 1", "dialog")
    page.click("dialog form > .actions button")
    page.see("plate_id", "dialog .fault ol")
    page.see("valid_until", "dialog .fault ol")
    assert gateway.get("/api/passes").json()["passes"] == []


def test_saved_is_not_said_beside_not_saved(gateway: Gateway, open_page: Open) -> None:
    open_page.cuts_are_expected = True  # a pass at fault is refused
    page = open_page(gateway, "passes")
    page.click("[data-act=add]")
    answer(page, plate_id="29A12345", valid_until="2099-12-31")
    page.see("Đã lưu: thêm 1", "#toast")
    page.click("[data-act=edit]")
    page.write("dialog input[name=plate_id]", "?")
    page.click("dialog form > .actions button")
    page.see("Chưa lưu", "dialog .fault")
    assert page.js("document.querySelector('#toast').innerText") == ""


def test_who_is_on_the_staff_list_alone_may_act(gateway: Gateway, open_page: Open) -> None:
    open_page.cuts_are_expected = True  # a refusal
    page = open_page(gateway, "staff")
    page.see("ai cũng được mở thủ công", "main")
    page.click("[data-act=add]")
    answer(page, staff_id="nv01", name="Lan")
    page.see("Lan", "main table")
    page.go(f"{gateway.url}/#/vehicles?plate=29A55555")
    page.click("[data-act=enter]")
    page.write("dialog input[name=staff_id]", "nv02")
    page.write("dialog input[name=reason]", "x")
    page.click("dialog form > .actions button")
    page.see("không có trong danh sách nhân viên", "dialog .fault")
    page.write("dialog input[name=staff_id]", "nv01")
    page.click("dialog form > .actions button")
    page.see("29A55555", "h2.of-vehicle")
