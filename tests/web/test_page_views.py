"""Each view of the page in a real browser, with what a site of two centrals has recorded."""

import time

import pytest

from tests.support.browser import Page
from tests.support.disks import BEFORE, heads, lose_disk, rot
from tests.support.gateway import Gateway
from tests.support.harness import (
    PATIENCE_S,
    enter,
    leave,
    problems,
    wait_connected,
    wait_events,
)
from tests.support.pages import Open, texts
from tests.web.conftest import MakeSite
from zparkd.testbed.loopback import wait_for

VIEWS = {
    "now": "Hiện tại",
    "vehicles": "Xe",
    "vehicles/30F00001": "Xe",
    "gate?edge=out-1&plate=30F00004&direction=EXIT": "Mở làn thủ công",
    "gate?edge=out-1&plate=30F00O04&direction=EXIT": "Mở làn thủ công",
    "history": "Lịch sử",
    "traffic": "Lưu lượng và doanh thu",
    "peers": "Mạng P2P",
    "conflicts": "Xung đột",
    "tariff": "Bảng giá",
    "passes": "Vé tháng",
    "staff": "Nhân viên",
    "policy": "Nội quy bãi xe",
    "audit": "Nhật ký thao tác",
    "reports": "Báo cáo",
    "reports/revenue": "Báo cáo",
}
PAGE = 25  # stays on a page of the history


@pytest.fixture(scope="session")  # as the pair: its vehicles are inside once
def told(pair: tuple[Gateway, Gateway]) -> Gateway:
    """The gateway of the first of two centrals that have recorded 30 stays and one conflict."""
    one, other = pair[0].central, pair[1].central
    before = one.status()["events"]
    for number in range(30):
        enter((one, other)[number % 2], f"30F{number:05d}", f"in-{number % 3}")
    enter(one, "30F99999", "x" * 64, plate_view="W" * 60)  # as long as they may be
    for number in range(3):
        leave(one, f"30F{number:05d}")
    enter(one, "30F00009", "in-0", force=True, reason="camera hỏng", staff_id="nv01")
    wait_events((one, other), before + 67)
    wait_connected(one, other)
    return pair[0]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_fits_a_phone_and_a_desk(told: Gateway, open_page: Open, view: str) -> None:
    page = open_page(told, view)
    page.see(VIEWS[view], "h1")
    page.wait("!document.querySelector('main').innerText.includes('Đang tải')")
    for width, height in ((1280, 800), (390, 844)):
        page.resize(width, height)
        page.wait(f"innerWidth === {width}")
        wide = page.wait("document.documentElement.scrollWidth")
        assert wide <= width, widest(page)
    assert faults_of_form(page) == []


def widest(page: Page) -> list[str]:
    """What reaches beyond the window."""
    found: list[str] = page.js(
        "[...document.querySelectorAll('body *')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
        ".map(e => e.outerHTML.slice(0, 90))"
    )
    return found


def faults_of_form(page: Page) -> list[str]:
    """What a person who does not see the page would stumble over."""
    found: list[str] = page.js(
        """(() => {
            const all = (s) => [...document.querySelectorAll(s)];
            const ids = all('[id]').map(e => e.id);
            const faults = [
                ...ids.filter((id, at) => ids.indexOf(id) !== at).map(id => `twice: ${id}`),
                ...all('input, select, textarea').filter(e => !e.labels.length)
                    .map(e => `no label: ${e.name}`),
                ...all('button, a').filter(e => !(e.innerText.trim() || e.ariaLabel))
                    .map(e => `no words: ${e.outerHTML}`),
                ...all('table').filter(e => !e.caption).map(e => 'no caption'),
                ...all('th').filter(e => !e.scope).map(e => `no scope: ${e.innerText}`),
                ...all('svg').filter(e => !(e.ariaHidden || e.ariaLabel)).map(e => 'mute svg'),
                ...all('img').filter(e => e.getAttribute('alt') === null).map(e => 'no alt'),
            ];
            if (all('h1').length !== 1) faults.push('not one h1');
            return faults;
        })()"""
    )
    return found


def test_a_part_of_a_plate_leads_to_the_story_of_a_vehicle(told: Gateway, open_page: Open) -> None:
    page = open_page(told, "vehicles")
    page.write("input[name=plate]", "f-000.01")
    page.press("Enter")
    page.see("30F00001", "main table")
    page.see("1 trong 1", "caption")
    page.see("chứa ký tự đã tìm", "main table")
    page.click("main table a.plate")
    page.see("Không ở trong bãi", "h2")
    page.see("central-2 mở cho vào; central-1 mở cho ra", ".facts")
    lines = texts(page, ".story li")
    assert [line.split("\n")[1].strip() for line in lines] == ["Xe vào", "Xác nhận xe vào", "Xe ra"]
    assert "in-1 nhìn thấy, central-2 quyết định" in lines[0]
    assert "out-1 nhìn thấy, central-1 quyết định" in lines[2]
    assert "25.000" in lines[2]


def test_look_alikes_are_forgiven_and_a_whole_plate_opens_its_story(
    told: Gateway, open_page: Open
) -> None:
    page = open_page(told, "now")
    page.write("input[name=plate]", "3OFO0002")
    page.press("Enter")
    page.see("30F00002", "main table")
    page.see("gần giống", "main table")
    page.write("main form input[name=plate]", "30f-000.02")
    page.press("Enter")
    page.see("30F00002", "h2.of-vehicle")
    page.js("history.back()")
    page.see("gần giống", "main table")  # what was looked for before, not the same story again


def test_a_type_is_filtered_for_by_the_word_that_tables_print(
    told: Gateway, open_page: Open
) -> None:
    page = open_page(told, "history")
    page.see("Ô tô", "main table")
    page.write("input[name=type]", "ô tô")
    page.press("Enter")
    page.see("Ô tô", "main table")
    assert "type=car" in page.js("location.hash")
    page.write("input[name=type]", "xe máy")
    page.press("Enter")
    page.see("Không có lượt gửi nào khớp", "main")


def test_a_story_goes_on_while_it_is_read(told: Gateway, open_page: Open) -> None:
    page = open_page(told, "vehicles/30F00004")
    page.see("Trong bãi từ", "h2")
    leave(told.central, "30F00004", "out-2")
    page.see("Không ở trong bãi", "h2")
    page.see("out-2 nhìn thấy", ".story")
    enter(told.central, "30F00004", "in-1")
    page.see("Trong bãi từ", "h2")


def test_a_plate_that_was_never_here_is_said_so(told: Gateway, open_page: Open) -> None:
    open_page.cuts_are_expected = True  # a 404
    page = open_page(told, "vehicles/99Z99999")
    page.see("chưa từng có xe nào mang biển số này", ".fault")


def test_the_history_is_filtered_paged_and_kept_in_the_address(
    told: Gateway, open_page: Open
) -> None:
    page = open_page(told, "history")
    page.see(f"1 đến {PAGE} trong", "caption")
    page.click(".paging a[href*='page=2']")
    page.see(f"{PAGE + 1} đến", "caption")
    page.js("history.back()")
    page.see("1 đến", "caption")
    page.write("input[name=plate]", "30F0001")
    page.press("Enter")
    page.see("1 đến 10 trong 10", "caption")
    assert "plate=30F0001" in page.js("location.hash")
    assert page.js("document.querySelector('input[name=plate]').value") == "30F0001"
    csv = page.js("fetch(document.querySelector('a[download]').href).then(answer => answer.text())")
    assert len(csv.strip().splitlines()) == 11


def test_traffic_is_drawn_and_said_in_numbers(told: Gateway, open_page: Open) -> None:
    page = open_page(told, "traffic")
    page.see("Đầy đủ", "main")
    numbers = told.get("/api/parking/traffic", by="type").json()["rows"][0]
    page.see(str(numbers["entries"]), ".cards")
    assert page.js("document.querySelectorAll('figure svg.chart').length") >= 6
    drawn = page.js("document.querySelectorAll('figure svg.chart rect.bar').length")
    assert drawn >= 10
    page.click("figure summary")
    rows = texts(page, "figure details[open] tbody tr")
    assert len(rows) == 24
    filled = page.js("document.querySelector('.drawing .bar.two').getAttribute('fill')")
    assert page.js(f"document.querySelector('{filled[4:-1]}').tagName") == "pattern"


def test_what_stands_beside_a_chart_can_be_read_whole(told: Gateway, open_page: Open) -> None:
    page = open_page(told, "traffic", width=360, height=740)
    page.see("Đầy đủ", "main")
    page.wait("document.querySelector('svg.chart text.end')")
    clipped = page.js(
        "[...document.querySelectorAll('svg.chart text.end')]"
        ".filter(e => e.getBBox().x < 0).map(e => e.textContent)"
    )
    assert clipped == []


def test_on_a_phone_the_header_is_one_row_and_the_rest_behind_a_button(
    told: Gateway, open_page: Open
) -> None:
    page = open_page(told, "now", width=360, height=740)
    page.wait("!document.querySelector('#open').hidden")
    assert page.js("document.querySelector('.top').offsetHeight") < 80
    assert page.js("document.querySelector('#controls').offsetHeight") == 0
    page.click("#menu")
    page.wait("document.querySelector('#language').offsetHeight > 0")
    page.choose("#language", "en")
    page.see("Live", ".live")


def test_on_a_phone_the_first_screen_has_state_search_and_the_last_events(
    told: Gateway, open_page: Open
) -> None:
    page = open_page(told, "now", width=360, height=740)
    page.see("Xung đột cần xem", ".cards")
    page.wait("document.querySelectorAll('.events li').length > 5")
    below = "e => e.getBoundingClientRect().bottom <= innerHeight"
    page.wait(f"[...document.querySelectorAll('.events li')].filter({below}).length >= 2")
    page.wait(f"[document.querySelector('main input[name=plate]')].every({below})")


def test_all_is_not_well_while_a_conflict_waits_for_a_person(
    told: Gateway, open_page: Open
) -> None:
    page = open_page(told, "now")
    count = told.central.status()["open_conflicts"]
    assert count >= 1
    page.see("Có xung đột cần xem", ".cards .mark.warn")
    page.see(str(count), ".cards a[href='#/conflicts']")
    page.click(".cards a[href='#/conflicts']")
    page.see(VIEWS["conflicts"], "h1")


def test_a_camera_that_never_called_is_shown_as_such(make_site: MakeSite, open_page: Open) -> None:
    site = make_site(1)
    (one,) = site.centrals
    for lane in ("lane-1", "lane-2"):
        one.edge_file(lane).write_text(f'id = "{lane}"\n')
    site.start()
    enter(one, "30F00001", "lane-2")
    page = open_page(open_page.serve(one), "now")
    page.see("Mọi thứ đều tốt", ".cards .mark.good")
    rows = page.wait("[...document.querySelectorAll('.edges tbody tr')].map(e => e.innerText)")
    assert [row.split()[0] for row in rows] == ["lane-1", "lane-2"]
    assert "Chưa gọi lần nào" in rows[0]
    assert "Chưa gọi" not in rows[1]


def test_what_a_controller_says_of_its_lanes_is_shown(make_site: MakeSite, open_page: Open) -> None:
    site = make_site(1)
    (one,) = site.centrals
    site.start()
    said = {"last_event_ms": time.time_ns() // 1_000_000, "reads": 1284, "misreads": 37}
    said |= {"open_p50_ms": 38.4, "silent": False}
    lanes = {"in-1": said, "in-2": {**said, "silent": True}}
    lanes["in-3"] = {**said, "fault": "the relay said 500"}
    for edge_id, lane in lanes.items():
        with one.edge(edge_id) as controller:
            assert controller.request("PING", {"lane": lane})["success"] is True
    page = open_page(open_page.serve(one), "now")
    page.see("1.284", ".edges")
    rows = page.wait("[...document.querySelectorAll('.edges tbody tr')].map(e => e.innerText)")
    assert len(rows) == 3
    for row, state in zip(rows, ("Tốt", "Camera im lặng", "the relay said 500"), strict=True):
        assert "1.284" in row
        assert "38 ms" in row
        assert state in row


def test_a_stream_that_is_stuck_is_named_with_its_peer_and_the_reason(
    make_site: MakeSite, open_page: Open
) -> None:
    site = make_site(2)
    rotten, empty = site.centrals
    site.start()
    wait_connected(*site.centrals)
    for number in range(15):
        enter(rotten, f"29A{number:05d}")
    (stream,) = (one for one in heads(rotten) if one.origin == rotten.id)
    for central in site.centrals:
        central.stop()
    rot(rotten, stream, "sealed")
    lose_disk(empty)
    site.start()
    wait_for("the peer is named", lambda: "STREAM_STUCK" in problems(empty), PATIENCE_S)
    (stuck,) = (one for one in empty.status()["problems"] if one["code"] == "STREAM_STUCK")
    page = open_page(open_page.serve(empty), "now")
    page.see(f"{stream.origin}/{stream.epoch} from event {BEFORE + 1} on", ".problems")
    page.see(f"can't be taken from {rotten.id}", ".problems")
    page.see(stuck["message"], ".problems")


def test_a_conflict_is_listed_with_what_it_means(told: Gateway, open_page: Open) -> None:
    page = open_page(told, "conflicts")
    page.see("30F00009", "main table")
    page.see("Kết thúc do mở thủ công", "main table")
    page.see("mở thủ công cho xe vào hoặc ra", ".meanings")
