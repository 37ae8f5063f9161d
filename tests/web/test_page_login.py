"""The page where people have to log in first: what a role may do is what the page offers."""

import subprocess
import sys

import pytest

from tests.support.browser import Page
from tests.support.gateway import ROOT, Gateway
from tests.support.harness import enter
from tests.support.pages import Open
from tests.web.conftest import MakeSite
from zparkd.testbed.loopback import LoopbackCentral

PASSWORD = "mat khau du dai 1"


def add_user(central: LoopbackCentral, name: str, role: str, *more: str) -> None:
    """Give a person a role, and the password of this test."""
    subprocess.run(
        [
            *(sys.executable, "-m", "zparkd.web.main", "-c", str(central.config)),
            *("user", "add", name, "--role", role, *more),
        ],
        input=f"{PASSWORD}\n".encode(),
        cwd=ROOT,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def guarded(make_site: MakeSite, open_page: Open) -> Gateway:
    """A gateway at which one has to log in; the peer of its central does not run."""
    central = make_site(2).centrals[0]
    central.start()
    add_user(central, "xem", "viewer")
    add_user(central, "sep", "admin")
    add_user(central, "lan", "operator", "--staff", "nv01")
    return open_page.serve(central)


def test_who_logs_in_sees_what_the_role_may_do(guarded: Gateway, open_page: Open) -> None:
    open_page.cuts_are_expected = True  # a refused login
    page = open_page(guarded, "peers", wait=False)
    page.see("Đăng nhập", "h1")
    assert page.js("document.querySelector('nav').hidden")
    assert page.js("document.querySelector('#live').innerText") == ""  # it waits for a person
    page.write("input[name=user]", "xem")
    page.write("input[name=password]", "wrong and long enough")
    page.press("Enter")
    page.see("Sai tên đăng nhập hoặc mật khẩu", ".fault")
    page.write("input[name=password]", PASSWORD)
    page.press("Enter")
    page.see("Mạng P2P", "h1")
    page.see("xem (người xem)", "#who")
    page.see("Chỉ người quản trị được thay đổi peer", "main")
    page.see("central-2", "main table")
    assert page.js("document.querySelectorAll('main button').length") == 0  # none that is greyed
    page.click("#logout")
    page.see("Đăng nhập", "h1")
    page.write("input[name=user]", "sep")
    page.write("input[name=password]", PASSWORD)
    page.press("Enter")
    page.click('[data-action="test central-2"]')
    page.see("Không kết nối được. central-2 at 127.0.0.1", "main")
    page.click("main form:has(input[name=api_port]) button")
    page.see("Đã lưu và áp dụng", "#toast")


def log_in(page: Page, name: str) -> None:
    page.see("Đăng nhập", "h1")
    page.write("input[name=user]", name)
    page.write("input[name=password]", PASSWORD)
    page.press("Enter")
    page.see("Trực tiếp", ".live")


def test_a_viewer_is_offered_no_act_and_an_operator_acts_as_who_is_logged_in(
    guarded: Gateway, open_page: Open
) -> None:
    enter(guarded.central, "29A12345")
    page = open_page(guarded, "vehicles/29A12345", wait=False)
    log_in(page, "xem")
    page.see("Trong bãi từ", "h2.of-vehicle")
    assert page.js("document.querySelectorAll('[data-act]').length") == 0
    assert "Mở làn" not in page.js("document.querySelector('nav').innerText")
    page.click("#logout")
    log_in(page, "lan")
    page.see("Mở làn", "nav")
    assert page.js("document.querySelector('[data-act=erase]')") is None  # that takes an admin
    page.click("[data-act=close]")
    page.wait("document.querySelector('dialog input[name=staff_id]')?.readOnly")
    page.write("dialog input[name=reason]", "xe đã ra")
    page.click("dialog form > .actions button")
    page.see("Không ở trong bãi", "h2.of-vehicle")
    page.go(f"{guarded.url}/#/audit")
    page.see("lan", "main table")
    page.see("xe đã ra", "main table")
    [stay] = guarded.central.history()
    assert stay["closed_by"] == "CORRECTION"
