"""Take the pictures of the page that the documents show: .venv/bin/python -m docs.img.make

A site of four real centrals is made, with a day that was worked out beforehand; one of them is
opened in a Chromium. Pictures are taken at the width of a desk and of a phone. Look at them.
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.support.browser import Browser, Page, chromium
from tests.support.gateway import Gateway
from tests.support.harness import enter, leave, wait_connected, wait_events
from zparkd.core.central import Central
from zparkd.core.clock import Now
from zparkd.core.events.event import Stream
from zparkd.core.site import Settings
from zparkd.core.turn import FromEdge
from zparkd.storage.store import Store
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, zparkctl

HERE = Path(__file__).resolve().parent
ZONE = "Asia/Ho_Chi_Minh"
DESK, PHONE = (1280, 800), (390, 844)
HOURS = 14
VIEWS = {
    "now": "now",
    "vehicles": "vehicles?plate=51G",
    "story": "vehicles/51G88888",
    "gate": "gate?edge=ra-1&plate=Z9A2468O&direction=EXIT",
    "passes": "passes",
    "history": "history",
    "traffic": "traffic",
    "peers": "peers",
    "conflicts": "conflicts",
    "tariff": "tariff",
    "reports": "reports/shift",
    "audit": "audit",
}
DARK = ("now", "traffic")


def day(rng: random.Random, gates: int) -> Iterator[tuple[int, dict[str, object]]]:
    """What the cameras of one central saw in the last hours, as times before now and requests."""
    acts: list[tuple[int, dict[str, object]]] = []
    for _ in range(rng.randint(150, 240)):
        came_ms = int(rng.triangular(0, HOURS, HOURS * 0.35) * 3_600_000)
        stayed_ms = int(rng.lognormvariate(4.2, 0.9) * 60_000)
        motorbike = rng.random() < 0.45
        digits = f"{rng.randrange(100_000):05d}"
        place = rng.choice(("29A", "30F", "51G", "59X1" if motorbike else "51K"))
        request: dict[str, object] = {
            "plate_id": place + digits,
            "plate_view": f"{place}-{digits[:3]}.{digits[3:]}",
            "camera_type": "motorbike" if motorbike else "car",
        }
        gate = rng.randint(1, gates)
        acts.append((came_ms, {**request, "direction": "ENTRY", "edge_id": f"vao-{gate}"}))
        if came_ms + stayed_ms < HOURS * 3_600_000:
            gone = {**request, "direction": "EXIT", "edge_id": f"ra-{gate}"}
            acts.append((came_ms + stayed_ms, gone))
    for at_ms, request in sorted(acts, key=lambda act: act[0]):
        yield at_ms, request


def work(central: LoopbackCentral, now_ms: int, seed: int) -> int:
    """Write a day into the database of a central that does not run; how many events it has."""
    settings = Settings(central.id, "lot-a", ZONE, ZoneInfo(ZONE), (), (), 1000, 3000, 0)
    store = Store(central.database, central.id, "lot-a", ZONE)
    begun_ms = now_ms - HOURS * 3_600_000
    running = Central(settings, store, Stream(central.id, begun_ms), bytes(32), 0, Now(begun_ms, 0))
    acts = list(day(random.Random(seed), gates=2))
    if seed < 3:  # the cut of a network, in which one car comes in and goes out at two places
        car = {"plate_id": "51G88888", "plate_view": "51G-888.88", "camera_type": "car"}
        acts.append((7_200_000 + seed * 60_000, {**car, "direction": "ENTRY", "edge_id": "vao-1"}))
        acts.append((9_000_000 + seed * 60_000, {**car, "direction": "EXIT", "edge_id": "ra-1"}))
    for at_ms, request in sorted(acts, key=lambda act: act[0]):
        now = Now(begun_ms + at_ms, at_ms)
        open_ = {"type": "BARRIER_OPEN", "request_id": f"{seed}-{at_ms}", **request}
        shut = {"type": "BARRIER_CLOSE", "edge_id": request["edge_id"]}
        for asked in (open_, shut):
            running.step(now, [FromEdge((b"edge", b""), json.dumps(asked).encode())])
            store.commit()
    held = sum(store.heads.values())
    store.close()
    return held


def live(centrals: list[LoopbackCentral]) -> None:
    """What happens while one looks."""
    one, two, three, _ = centrals
    enter(one, "30F56789", "vao-1", plate_view="30F-567.89")
    enter(two, "59X123456", "vao-2", plate_view="59X1-234.56", camera_type="motorbike")
    leave(three, "30F56789", "ra-1", plate_view="30F-567.89")
    enter(three, "29A24680", "vao-2", plate_view="29A-246.80")
    why = {"force": True, "reason": "camera lối ra hỏng", "staff_id": "nv01"}
    enter(one, "29A24680", "vao-1", plate_view="29A-246.80", **why)


TARIFF = """
[[rate]]
camera_type = "car"
free_minutes = 10
cap_24h = 200000
lost_ticket = 50000
[[rate.step]]
until_minutes = 60
every_minutes = 60
amount = 15000
[[rate.step]]
every_minutes = 30
amount = 5000

[[rate]]
camera_type = "motorbike"
[[rate.window]]
from = "06:00"
to = "22:00"
amount = 5000
[[rate.window]]
from = "22:00"
to = "06:00"
amount = 10000
"""


def charge(central: LoopbackCentral) -> None:
    """Set a tariff for the site."""
    file = central.folder / "tariff.toml"
    file.write_text(TARIFF)
    zparkctl(central.config, "tariff", "set", str(file))


def give_passes(central: LoopbackCentral) -> None:
    """Give some vehicles a pass."""
    year = time.strftime("%Y")
    file = central.folder / "passes.json"
    days = {"camera_type": "car", "valid_from": f"{year}-01-01", "valid_until": f"{year}-12-31"}
    holders = {"29A33333": "Nguyễn Thị Lan", "30F12121": "Trần Văn Hòa", "51K90909": "Lê Minh"}
    entries = [{**days, "plate_id": plate, "holder": name} for plate, name in holders.items()]
    file.write_text(json.dumps(entries))
    zparkctl(central.config, "pass", "import", str(file))


def shoot(page: Page, name: str, size: tuple[int, int]) -> None:
    """One picture, once the page stands still."""
    page.resize(*size)
    page.wait(f"innerWidth === {size[0]}")
    page.wait("!document.querySelector('main').innerText.includes('Đang tải')")
    page.js("scrollTo(0, 0), document.fonts.ready.then(() => 1)")
    page.js("new Promise(done => setTimeout(done, 300))")
    (HERE / f"{name}.png").write_bytes(page.picture())
    print(name)


def pictures(page: Page, site: LoopbackSite, url: str) -> None:
    """All pictures of one page."""
    page.colours("light")
    page.go(url)
    page.see("Trực tiếp", ".live")
    charge(site.centrals[0])
    give_passes(site.centrals[0])
    live(site.centrals)
    page.see("29A-246.80", ".events")
    site.wait_equal()
    now = site.centrals[0].status()
    for number in (now["vehicles_inside"], now["events"]):
        page.see(f"{number:,}".replace(",", "."), ".cards")
    page.wait("!/(thiếu|gửi) [1-9]/.test(document.querySelector('.mesh').textContent)")
    for name, view in VIEWS.items():
        page.js(f"location.hash = '#/{view}'")
        page.wait("document.querySelector('main h1')")
        if name == "tariff":
            page.see("Phiên bản", "main")
            page.click("form button.main")
            page.see("Cách tính", ".quote")
        shoot(page, name, DESK)
        shoot(page, f"{name}-phone", PHONE)
        if name in DARK:
            page.colours("dark")
            shoot(page, f"{name}-dark", DESK)
            shoot(page, f"{name}-phone-dark", PHONE)
            page.colours("light")
    page.resize(*DESK)
    page.js("location.hash = '#/peers'")
    page.click("main button.main")
    shoot(page, "peers-add", DESK)
    page.press("Escape")
    page.js("location.hash = '#/now'")
    site.centrals[3].kill()
    page.see("Mất kết nối", ".node.bad")
    page.see("Peer mất kết nối", ".problems")
    shoot(page, "now-lost", DESK)
    shoot(page, "now-lost-phone", PHONE)
    site.centrals[0].kill()
    page.see("không trả lời", "[role=alert]")
    shoot(page, "now-away", DESK)


def main() -> None:
    """Make the site, open the page, take the pictures."""
    program = chromium()
    if program is None:
        sys.exit("no Chromium on this machine: apt-get install chromium")
    with ExitStack() as stack:
        folder, profile = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zp-"))) for _ in range(2)
        )
        site = stack.enter_context(LoopbackSite(folder, 4))
        now_ms = time.time_ns() // 1_000_000
        held = [work(central, now_ms, seed) for seed, central in enumerate(site.centrals, 1)]
        site.start()
        wait_connected(*site.centrals)
        wait_events(site.centrals, sum(held))
        gateway = stack.enter_context(Gateway(site.centrals[0]))
        browser = stack.enter_context(Browser(program, profile))
        pictures(stack.enter_context(browser.page(*DESK)), site, gateway.url)


if __name__ == "__main__":
    main()
