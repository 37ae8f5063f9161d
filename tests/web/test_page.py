"""The page in a real browser, against real centrals: what comes live, and what is changed in it.

Every test also holds that the page says nothing on its console and asks nobody but its gateway.
"""

import json
from pathlib import Path
from typing import Any

from tests.support.browser import Page
from tests.support.gateway import Gateway
from tests.support.harness import PATIENCE_S, enter, leave, promised, wait_connected, zparkctl
from tests.support.pages import Open, texts
from tests.web.conftest import MakeSite
from zparkd.config.load import SecurityMode
from zparkd.testbed.loopback import LoopbackCentral, wait_for

LIVE_S = 1.0  # a car at one central is on the page of the other within this
HOSTILE = "<img src=x onerror=alert(1)>"


def stay(gateway: Gateway, plate: str) -> dict[str, Any]:
    """The one stay of a vehicle, as the history has it."""
    [row] = gateway.get("/api/parking/history", plate=plate).json()["history"]
    return dict(row)


# --- live -------------------------------------------------------------------------------------


def test_a_car_at_one_central_is_on_the_page_of_the_other_within_a_second(
    pair: tuple[Gateway, Gateway], open_page: Open
) -> None:
    here, there = pair
    page = open_page(there)
    page.js(
        "new MutationObserver(() => { if (document.querySelector('.events')?.innerText"
        ".includes('51A-777.77')) window.seenAt ??= Date.now(); })"
        ".observe(document.body, {subtree: true, childList: true}), 0"
    )
    enter(here.central, "51A77777", plate_view="51A-777.77")
    opened_ms = stay(here, "51A77777")["entry_ms"]
    seen_ms = page.wait("window.seenAt")
    assert seen_ms - opened_ms < promised(LIVE_S) * 1000
    page.see("51A-777.77", "table.few")
    assert "51A-777.77" in texts(page, ".events li")[0] + texts(page, ".events li")[1]


def test_thousands_of_events_at_once_are_drawn_once(
    pair: tuple[Gateway, Gateway], open_page: Open
) -> None:
    page = open_page(pair[0])
    drawn = page.js(
        """(async () => {
            const { show } = await import('/static/view-now.js');
            const place = document.querySelector('main');
            const app = { status: null, link: 'live', explain() {} };
            place.replaceChildren();
            const told = show(place, app, new AbortController().signal);
            const list = place.querySelector('.events');
            let drawn = 0;
            new MutationObserver((changes) => {
                for (const change of changes) drawn += change.addedNodes.length;
            }).observe(list, { childList: true });
            for (let number = 0; number < 5000; number += 1) {
                const seen = { kind: 'VEHICLE_EXIT', event_id: String(number), plate_id: '51A1' };
                told.event({ ...seen, central: 'central-2', time: '2026-11-21 10:00:00' });
            }
            const frame = () => new Promise(requestAnimationFrame);
            for (let frames = 0; frames < 3; frames += 1) await frame();
            return drawn;
        })()"""
    )
    assert 0 < drawn < 100
    assert len(texts(page, ".events li")) == 24


def test_the_list_of_events_can_be_held_still(
    pair: tuple[Gateway, Gateway], open_page: Open
) -> None:
    page = open_page(pair[0])
    page.click(".controls button[aria-pressed]")
    enter(pair[0].central, "51A70001")
    page.see("đang chờ", ".controls button[aria-pressed]")
    assert "51A70001" not in "".join(texts(page, ".events"))
    page.click(".controls button[aria-pressed]")
    page.see("51A70001", ".events")


def test_a_stopped_daemon_is_shown_on_its_page_and_its_peers_and_so_is_its_return(
    make_site: MakeSite, open_page: Open
) -> None:
    open_page.cuts_are_expected = True
    site = make_site(2)
    site.start()
    wait_connected(*site.centrals)
    one, other = site.centrals
    page, of_peer = (open_page(open_page.serve(central)) for central in (one, other))
    of_peer.see("Kết nối", ".node.good")
    one.kill()
    page.see("zparkd trên central này không trả lời", "[role=alert]")
    page.see("zparkd không trả lời", ".live")
    of_peer.see("Mất kết nối", ".node.bad")
    of_peer.wait("document.querySelectorAll('.link.bad .shape.bad').length === 1")
    of_peer.see("Peer mất kết nối", ".problems")
    of_peer.see("mất liên lạc từ", ".node.bad")
    one.start()
    page.see("Trực tiếp", ".live")
    page.wait("document.querySelector('#away').hidden")
    for shown in (page, of_peer):
        shown.see("1 / 1", ".cards")
        shown.see("Kết nối", ".node.good")


def test_a_stopped_gateway_is_shown_and_so_is_its_return(
    pair: tuple[Gateway, Gateway], open_page: Open
) -> None:
    open_page.cuts_are_expected = True
    central = pair[0].central
    gateway = open_page.serve(central)
    page = open_page(gateway)
    enter(central, "51A70002")
    page.see("51A70002", ".events")
    gateway.close()
    page.see("không liên lạc được với zparkd-web", "[role=alert]")
    enter(central, "51A70003")
    open_page.serve(central, "--port", str(gateway.port))
    page.see("Trực tiếp", ".live")
    page.see("51A70003", ".events")


# --- peers ------------------------------------------------------------------------------------


def test_a_peer_that_is_added_turns_connected(make_site: MakeSite, open_page: Open) -> None:
    site = make_site(2, links=[])
    one, other = site.centrals
    other.knows(one)
    site.start()
    page = open_page(open_page.serve(one), "peers")
    page.see("central này chạy độc lập")
    page.click("main button.main")
    add_peer(page, other.id, "127.0.0.1", other.ports[0], other.ports[1])
    page.see("Đã lưu và áp dụng", "#toast")
    page.see("Kết nối", "main table .mark.good")
    page.click('[data-action="test central-2"]')
    page.see("central-2 trả lời sau")
    page.click('[data-action="edit central-2"]')
    page.write("dialog input[name=p2p_port]", "1")
    page.click("dialog button.main")
    page.wait("!document.querySelector('dialog')")
    page.see(":1", "main table")
    page.click('[data-action="remove central-2"]')
    page.click("dialog button.danger")
    page.see("Peer Centrals (0)")
    wait_for("it is gone", lambda: one.status()["total_peers"] == 0, PATIENCE_S)


def add_peer(page: Page, peer_id: str, address: str, bus_port: int, sync_port: int) -> None:
    page.wait("document.querySelector('dialog[open]')")
    page.write("dialog input[name=id]", peer_id)
    page.write("dialog input[name=ip]", address)
    page.write("dialog input[name=p2p_port]", str(bus_port))
    page.write("dialog input[name=sync_port]", str(sync_port))
    page.click("dialog button.main")


def test_a_peer_that_is_refused_changes_nothing_and_says_why(
    pair: tuple[Gateway, Gateway], open_page: Open
) -> None:
    open_page.cuts_are_expected = True
    page = open_page(pair[0], "peers")
    page.see("central-2", "main table")
    page.click("main button.main")
    page.wait("document.querySelector('dialog[open]')")
    page.js("document.querySelector('dialog input[name=id]').removeAttribute('pattern')")
    add_peer(page, HOSTILE, "127.0.0.1", 9000, 9001)
    page.see("Chưa lưu", "dialog .fault")
    page.see("id", "dialog .fault")
    assert page.js("document.querySelectorAll('dialog img').length") == 0
    page.press("Escape")
    page.wait("!document.querySelector('dialog')")
    assert pair[0].central.status()["total_peers"] == 1


# --- hostile words ----------------------------------------------------------------------------


def test_a_hostile_plate_is_shown_as_text(pair: tuple[Gateway, Gateway], open_page: Open) -> None:
    page = open_page(pair[0])
    enter(pair[1].central, "51A66666", plate_view=HOSTILE)
    for view in ("now", "history", "vehicles?plate=51A66666", "vehicles/51A66666"):
        page.js(f"location.hash = '#/{view}'")
        page.see(HOSTILE, "main")
    assert page.js("document.querySelectorAll('main img').length") == 0


def test_hostile_names_of_centrals_are_shown_as_text(
    pair: tuple[Gateway, Gateway], open_page: Open
) -> None:
    page = open_page(pair[0])
    peer = {"peer_id": HOSTILE, "peer_ip": HOSTILE, "connected": False, "error": HOSTILE}
    status = {"this_central": HOSTILE, "connected_peers": 0, "total_peers": 1, "peers": [peer]}
    shown = page.js(
        "import('/static/mesh.js').then(({mesh}) => {"
        f" const drawing = mesh({json.dumps(status)}, 1500, false);"
        " document.querySelector('main').append(drawing);"
        " return [drawing.querySelectorAll('img, script, [onerror]').length,"
        " drawing.textContent]; })"
    )
    assert shown[0] == 0
    assert HOSTILE in shown[1]


# --- words, colours, keys ---------------------------------------------------------------------


def test_the_language_switches_at_once_and_is_remembered(
    pair: tuple[Gateway, Gateway], open_page: Open
) -> None:
    page = open_page(pair[0])
    page.see("Hiện tại", "h1")
    page.choose("#language", "en")
    page.see("Now", "h1")
    page.see("Live", ".live")
    assert page.js("document.documentElement.lang") == "en"
    page.reload()
    page.see("Vehicles inside", ".cards")


def test_money_and_times_are_written_as_the_language_has_them(
    pair: tuple[Gateway, Gateway], open_page: Open
) -> None:
    enter(pair[0].central, "51A55555")
    leave(pair[0].central, "51A55555")
    page = open_page(pair[0], "vehicles/51A55555")
    page.see("25.000 ₫", ".facts")
    day, _, clock = stay(pair[0], "51A55555")["entry_time"].partition(" ")
    page.see(f"{clock} {'/'.join(reversed(day.split('-')))}", ".facts")
    page.choose("#language", "en")
    page.see("₫25,000", ".facts")


def test_the_colours_are_those_of_the_machine_until_others_are_chosen(
    pair: tuple[Gateway, Gateway], open_page: Open
) -> None:
    page = open_page(pair[0])
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    page.colours("light")
    light = page.wait(f"document.documentElement.dataset.theme === 'light' && {ground}")
    page.colours("dark")
    dark = page.wait(f"document.documentElement.dataset.theme === 'dark' && {ground}")
    assert light != dark
    page.choose("#theme", "light")
    assert page.js(ground) == light
    page.reload()
    page.see("Trực tiếp", ".live")
    assert page.js(ground) == light


_WHERE = """(() => {
    const e = document.activeElement, s = getComputedStyle(e);
    const name = e.getAttribute('aria-label') || e.innerText || e.labels?.[0]?.innerText
        || e.placeholder || '';
    return {tag: e.tagName, id: e.id, name: name.trim(), seen: s.outlineStyle !== 'none'};
})()"""


def test_all_is_reached_with_the_keyboard_and_the_focus_is_seen(
    pair: tuple[Gateway, Gateway], open_page: Open
) -> None:
    page = open_page(pair[0])
    page.see("central-2", ".mesh")
    page.press("Tab")
    first = page.js(_WHERE)
    assert first["name"] == "Đến nội dung chính"
    assert page.js("document.querySelector('.skip').getBoundingClientRect().top") >= 0
    walked = [first]
    while len(walked) < 60:
        page.press("Tab")
        at = page.js(_WHERE)
        if at["tag"] == "BODY":
            break
        walked.append(at)
    assert [at for at in walked if not at["name"] or not at["seen"]] == []
    names = [at["name"] for at in walked]
    assert {"language", "theme"} <= {at["id"] for at in walked}
    assert {"Hiện tại", "Xe", "Lịch sử", "Xung đột", "Tạm dừng"} <= set(names)


def test_a_peer_is_edited_with_the_keyboard(pair: tuple[Gateway, Gateway], open_page: Open) -> None:
    page = open_page(pair[0], "peers")
    page.wait("document.querySelector('[data-action=\"edit central-2\"]')")
    for _ in range(40):
        page.press("Tab")
        if page.js("document.activeElement.dataset.action === 'edit central-2'"):
            break
    page.press("Enter")
    page.wait("document.querySelector('dialog[open]')?.contains(document.activeElement)")
    page.press("Escape")
    page.wait("!document.querySelector('dialog')")
    assert page.js("document.activeElement.dataset.action") == "edit central-2"
    page.press("Enter")
    page.wait("document.querySelector('dialog[open]')")
    page.js("document.querySelector('dialog input[name=ip]').focus()")
    page.press("Enter")
    page.see("Đã lưu và áp dụng", "#toast")
    page.wait("document.activeElement.dataset.action === 'edit central-2'")


def test_the_skip_link_and_the_links_of_the_views_lead_on(
    pair: tuple[Gateway, Gateway], open_page: Open
) -> None:
    page = open_page(pair[0])
    page.press("Tab")
    page.press("Enter")
    assert page.js("document.activeElement.id") == "main"
    page.js("document.querySelector('nav a[href=\"#/history\"]').focus()")
    page.press("Enter")
    page.see("Lịch sử", "h1")
    assert page.js("document.activeElement.tagName") == "H1"
    assert page.js("document.title").startswith("Lịch sử")
    assert texts(page, "nav [aria-current=page]") == ["Lịch sử"]


# --- members ----------------------------------------------------------------------------------


def test_an_invitation_is_shown_as_text_and_qr_code_and_who_uses_it_is_listed(
    make_site: MakeSite, open_page: Open, tmp_path: Path
) -> None:
    (one,) = make_site(1, mode=SecurityMode.CURVE).centrals
    one.start()
    page = open_page(open_page.serve(one), "peers")
    page.write("form input[name=member]", "central-7")
    page.click("form:has(input[name=member]) button.main")
    page.see("central-7 được tham gia một lần", ".invitation")
    assert page.js("document.querySelector('.invitation svg path').getAttribute('d').length") > 999
    page.see("central-7 được mời tham gia")
    token = page.js("document.querySelector('.invitation textarea').value")
    seventh = LoopbackCentral(tmp_path / "seventh", "central-7", mode=SecurityMode.CURVE)
    assert zparkctl(seventh.config, "join", token).returncode == 0
    page.wait("!!document.querySelector('[data-action=\"remove member central-7\"]')")
    for width in (1280, 390):
        page.resize(width, 844)
        page.wait(f"innerWidth === {width}")
        assert page.wait("document.documentElement.scrollWidth") <= width
    page.click('[data-action="remove member central-7"]')
    page.click("dialog button.danger")
    page.see("đã loại", "main")
    wait_for("it is removed", lambda: not one.peer_file("central-7").exists(), PATIENCE_S)
