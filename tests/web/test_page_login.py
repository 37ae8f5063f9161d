"""The page where people have to log in first: what a role may do is what the page offers."""

import subprocess
import sys

import pytest

from tests.support.gateway import ROOT, Gateway
from tests.support.pages import Open
from tests.web.conftest import MakeSite
from zparkd.testbed.loopback import LoopbackCentral

PASSWORD = "mat khau du dai 1"


def add_user(central: LoopbackCentral, name: str, role: str) -> None:
    """Give a person a role, and the password of this test."""
    subprocess.run(
        [
            *(sys.executable, "-m", "zparkd.web.main", "-c", str(central.config)),
            *("user", "add", name, "--role", role),
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
