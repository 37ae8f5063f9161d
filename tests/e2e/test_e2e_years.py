"""A site after five years of daily restarts: what it writes, and how long a camera waits."""

import secrets
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median

import pytest

from tests.e2e.conftest import MakeSite
from tests.support.harness import PATIENCE_S, enter, wait_connected, wait_equal
from zparkd.client.edge import EdgeClient
from zparkd.core.events.event import Event, Facts, Kind, Personal, Position, Stream, read, write
from zparkd.storage.store import Store
from zparkd.testbed.loopback import SITE, LoopbackCentral, LoopbackSite, wait_for

CENTRALS = 10
RUNNING = 3  # of them; what each holds is of all
DAYS = 5 * 365
DAY_MS = 86_400_000
FIRST_MS = 1_577_836_800_000  # 2020-01-01
MIB = 2**20
IDLE_S = 15.0
SLOWER = 1.2
ROUNDS = 6  # of which one must do, since others use this machine too
ASKED = 150

pytestmark = pytest.mark.slow


def days(origin: str) -> list[Event]:
    """One run a day of a central, each with one vehicle that came in."""
    return [read(*_written(origin, day)) for day in range(DAYS)]


def _written(origin: str, day: int) -> tuple[bytes, bytes]:
    ms = FIRST_MS + day * DAY_MS + int(origin.removeprefix("central-"))
    event = write(
        Position(*Stream(origin, ms), 1),
        Kind.ENTRY,
        timestamp=ms,
        order=ms,
        prev="",
        facts=Facts(edge_id="in-1", request_id=f"{origin} {day}", camera_type="car"),
        personal=Personal(salt=f"{ms}", plate_id=f"30A{ms // 1000 % 100_000:05d}"),
    )
    return event.skeleton, event.personal_part


@pytest.fixture(scope="module")
def five_years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a central of such a site."""
    path = tmp_path_factory.mktemp("years") / "zparkd.db"
    store = Store(path, "central-1", SITE, "Asia/Ho_Chi_Minh")
    for number in range(1, CENTRALS + 1):
        for event in days(f"central-{number}"):
            store.append(event)
        store.settle()
        store.commit()
    store.close()
    return path


def aged(central: LoopbackCentral, path: Path) -> None:
    """Give a central that has not run yet such a database, as its own."""
    shutil.copy(path, central.database)
    with closing(sqlite3.connect(central.database)) as connection:
        own = {"central": central.id, "database": secrets.token_hex(16)}
        connection.executemany(
            "UPDATE meta SET value=? WHERE key=?", [(value, key) for key, value in own.items()]
        )
        connection.commit()


def started(site: LoopbackSite) -> list[LoopbackCentral]:
    site.start()
    wait_connected(*site.centrals, timeout_s=3 * PATIENCE_S)
    for number, central in enumerate(site.centrals):
        enter(central, f"99Z0000{number}")
    wait_equal(site.centrals, timeout_s=3 * PATIENCE_S)
    wait_for("all is known of all", lambda: all(map(knows_all, site.centrals)), 3 * PATIENCE_S)
    return site.centrals


def knows_all(central: LoopbackCentral) -> bool:
    return all(peer["behind"] == 0 for peer in central.status()["peers"])


def heads_noted(central: LoopbackCentral) -> int:
    """How many streams of peers are written down at a central."""
    with closing(sqlite3.connect(f"file:{central.database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM peer_heads").fetchone()[0])


def written(central: LoopbackCentral) -> int:
    """The bytes that its process has had written to disk."""
    assert central.process is not None
    lines = Path(f"/proc/{central.process.pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def wait_of(camera: EdgeClient) -> float:
    """How long a detection takes, in the median, in seconds."""
    took = []
    for number in range(ASKED):
        began = time.perf_counter()
        camera.request("DETECTION", {"plate_id": f"88X{number:05d}", "direction": "ENTRY"})
        took.append(time.perf_counter() - began)
    return median(took)


def test_after_five_years_a_site_writes_next_to_nothing_while_idle_and_answers_as_quickly(
    make_site: MakeSite, five_years: Path
) -> None:
    limits = "[limits]\nedge_requests_per_s = 0\n"
    with (
        tempfile.TemporaryDirectory(prefix="zp-") as folder,
        LoopbackSite(Path(folder), RUNNING, more=limits) as young,
    ):
        compare(young, make_site(RUNNING, more=limits), five_years)


def compare(young: LoopbackSite, old: LoopbackSite, five_years: Path) -> None:
    """The site that is old holds that database, and does no worse than the young one."""
    for central in old.centrals:
        aged(central, five_years)
    new, aged_ones = started(young), started(old)
    held = aged_ones[0].status()["events"]
    assert held >= CENTRALS * DAYS
    wait_for(
        "it is written down once what each peer holds",
        lambda: all(
            heads_noted(central) >= (RUNNING - 1) * CENTRALS * DAYS for central in aged_ones
        ),
        3 * PATIENCE_S,
    )
    rates: list[float] = []
    while not rates or rates[-1] >= MIB:
        assert len(rates) < ROUNDS, f"while idle {min(rates):.0f} bytes a minute are written"
        before = [written(central) for central in aged_ones]
        time.sleep(IDLE_S)  # what is measured is that time
        after = [written(central) for central in aged_ones]
        rates.append(max(b - a for a, b in zip(before, after, strict=True)) * 60 / IDLE_S)
    idle = written(aged_ones[0])
    enter(aged_ones[0], "99Z00009")
    assert written(aged_ones[0]) > idle, "what is written is not seen on this disk"
    ratios = []
    with new[0].edge("in-9") as camera, aged_ones[0].edge("in-9") as other:
        for _ in range(ROUNDS):
            ratios.append(wait_of(other) / wait_of(camera))
            if ratios[-1] < SLOWER:
                return
    raise AssertionError(f"a detection takes {min(ratios):.2f} times as long as at a young site")


def test_an_empty_disk_beside_five_years_has_all_of_them(
    make_site: MakeSite, five_years: Path
) -> None:
    site = make_site(2)
    one, empty = site.centrals
    aged(one, five_years)
    site.start()
    wait_for(
        "it holds five years",
        lambda: empty.status()["events"] >= CENTRALS * DAYS and knows_all(empty),
        5 * PATIENCE_S,
    )
    enter(empty, "99Z00001")
    wait_equal(site.centrals, timeout_s=3 * PATIENCE_S)
