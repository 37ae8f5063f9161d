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
    page.write("textarea", TARIFF)
    page.choose("select[name=which]", "draft")
    page.js("document.querySelector('input[name=entry]').value = '2025-12-02T10:30'")
    page.js("document.querySelector('input[name=exit]').value = '2025-12-02T11:31'")
    page.click("form button.main")
    page.see("20.000 ₫ cho 61 phút", ".quote")
    page.see("1 × 15.000 ₫", ".quote table")

    page.write("textarea", TARIFF.replace("amount = 5000", "amount = -5"))
    page.click("section:last-of-type button.main")
    page.click("dialog button.main")
    page.see("amount", "dialog .fault")
    page.press("Escape")
    page.wait("!document.querySelector('dialog')")

    page.write("textarea", TARIFF)
    page.click("section:last-of-type button.main")
    page.click("dialog button.main")
    page.see("Phiên bản 1, áp dụng tại central-1", "main")
    page.see("Sau 60 phút: 5.000 ₫ mỗi 30 phút (phần lẻ tính tròn)", ".rates")
    page.see("Tối đa 200.000 ₫ trong mỗi 24 giờ", ".rates")
