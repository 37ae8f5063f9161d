"""The tariff on the page: seen in words, tried, and set for the site."""

from tests.support.pages import Open
from tests.web.conftest import MakeSite

TARIFF = """[[rate]]
camera_type = "car"
free_minutes = 10
cap_24h = 200000

[[rate.step]]
until_minutes = 60
every_minutes = 60
amount = 15000

[[rate.step]]
every_minutes = 30
amount = 5000
"""


def test_a_tariff_is_tried_and_then_set(make_site: MakeSite, open_page: Open) -> None:
    open_page.cuts_are_expected = True  # a document at fault is refused
    central = make_site(1).centrals[0]
    central.start()
    page = open_page(open_page.serve(central), "tariff")
    page.see("Bảng giá có sẵn", "main")
    page.see("25.000 ₫ mỗi 60 phút (phần lẻ tính tròn)", ".rates")
    page.click("[data-act=turn]")  # from fields to text
    page.write("textarea", TARIFF)
    page.choose("select[name=which]", "draft")
    page.js("document.querySelector('input[name=entry]').value = '2025-12-02T10:30'")
    page.js("document.querySelector('input[name=exit]').value = '2025-12-02T11:31'")
    page.click("form button.main")
    page.see("20.000 ₫ cho 61 phút", ".quote")
    page.see("1 × 15.000 ₫", ".quote table")

    wrong = TARIFF.replace("amount = 5000", "amount = -5").replace("= 10", "= -1")
    page.write("textarea", wrong)
    page.click("[data-act=set]")
    page.see("free_minutes", "main .fault ol")  # before the question, each with its number
    page.see("amount", "main .fault ol")
    assert page.js("document.querySelector('dialog')") is None

    page.write("textarea", TARIFF)
    page.click("[data-act=set]")
    page.see("free_minutes = 10", "dialog .diff")
    page.click("dialog button.main")
    page.see("Phiên bản 1, áp dụng tại central-1", "main")
    page.see("Sau 60 phút: 5.000 ₫ mỗi 30 phút (phần lẻ tính tròn)", ".rates")
    page.see("Tối đa 200.000 ₫ trong mỗi 24 giờ", ".rates")


def test_a_tariff_is_written_as_a_form_whose_fields_at_fault_are_marked(
    make_site: MakeSite, open_page: Open
) -> None:
    open_page.cuts_are_expected = True  # a document at fault is refused
    central = make_site(1).centrals[0]
    central.start()
    gateway = open_page.serve(central)
    page = open_page(gateway, "tariff")
    page.write("fieldset input[name=lost_ticket]", "50000")
    page.write("fieldset .lines input[name=amount]", "-1")
    page.click("[data-act=set]")
    page.see("amount", "main .fault")
    page.wait("document.querySelector('.lines input[name=amount]').ariaInvalid === 'true'")
    page.write("fieldset .lines input[name=amount]", "20000")
    page.click("[data-act=add_rate]")
    page.wait("document.querySelectorAll('fieldset').length === 2")
    page.write("fieldset:nth-of-type(2) input[name=camera_type]", "Xe máy")
    page.write("fieldset:nth-of-type(2) .lines input[name=every_minutes]", "1440")
    page.write("fieldset:nth-of-type(2) .lines input[name=amount]", "5000")
    page.click("[data-act=set]")
    page.see("lost_ticket = 50000", "dialog .diff .come")
    page.see("amount = 25000", "dialog .diff .gone")
    page.click("dialog button.main")
    page.see("Phiên bản 1, áp dụng tại central-1", "main")
    page.see("Mất vé: thêm 50.000 ₫", ".rates")
    rates = gateway.get("/api/tariff").json()["rate"]
    assert [(one["camera_type"], one["step"][0]["amount"]) for one in rates] == [
        ("car", 20000),
        ("motorbike", 5000),
    ]
    page.click("[data-act=set]")
    page.see("Không có gì thay đổi so với bản đang áp dụng", "main")
