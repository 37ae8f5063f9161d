"""What people do at a site, its fleet follows: money taken afterwards, and plates forgotten."""

import asyncio
import contextlib
import json
from datetime import datetime
from zoneinfo import ZoneInfo

import nats
import psycopg
import pytest
from nats.js.errors import NotFoundError

from tests.fleet.rig import Rig, camera, events_held, history
from tests.fleet.sites import found_in
from tests.support.harness import zparkctl
from zparkd.testbed.loopback import LoopbackCentral, wait_for

PATIENCE_S = 60.0
PLATE, VIEW, OTHER = "29A12345", "29A-123.45", "30F99999"
WHO = ("--staff", "nv01", "--reason", "asked to")


def visit(central: LoopbackCentral, plate: str, view: str) -> str:
    """A vehicle comes and goes; the id of its stay."""
    with camera(central) as edge:
        came = edge.open_barrier(plate, direction="ENTRY", plate_view=view)
        assert came["success"], came
        edge.close_barrier()
        assert edge.open_barrier(plate, direction="EXIT")["success"]
    return str(came["event_id"])


def said_in(rig: Rig, word: str) -> set[str]:
    """The tables of the fleet's database that have a word in some row."""
    with psycopg.connect(rig.database, autocommit=True) as connection:
        return found_in(connection, word.encode())


def said_in_stream(rig: Rig, word: str) -> bool:
    """Whether any message that JetStream keeps has a word in it."""

    async def look() -> bool:
        nc = await nats.connect(rig.nats.url)
        try:
            js = nc.jetstream()
            state = (await js.stream_info("zparkd")).state
            for seq in range(state.first_seq, state.last_seq + 1):
                with contextlib.suppress(NotFoundError):
                    msg = await js.get_msg("zparkd", seq)
                    if word.encode() in (msg.data or b""):
                        return True
            return False
        finally:
            await nc.close()

    return asyncio.run(look())


def told(central: LoopbackCentral, *words: str) -> None:
    done = zparkctl(central.config, "vehicle", *words, *WHO)
    assert done.returncode == 0, done.stderr


def test_revenue_is_that_of_the_site_with_what_was_charged_and_given_back(rig: Rig) -> None:
    rig.fleet()
    central = rig.central("central-1")
    rig.uplink(central)
    first, second = visit(central, PLATE, VIEW), visit(central, OTHER, "30F-999.99")
    third = visit(central, "51G00001", "51G-000.01")
    told(central, "charge", first, "--amount", "-5000")
    told(central, "charge", first, "--amount", "-1000")
    told(central, "charge", second, "--amount", "70000")
    told(central, "void", third)  # with it goes its fee
    told(central, "charge", second, "--amount", "400")
    rig.await_events("lot-a", events_held(central))
    rig.await_history("lot-a", central)
    asked = zparkctl(central.config, "report", "revenue", "--by", "gate", "--json")
    assert asked.returncode == 0, asked.stderr
    report = json.loads(asked.stdout)
    wanted = {row["key"]: row["revenue"] for row in report["rows"]}

    def by_gate() -> dict[str, int]:
        rows = rig.rows(
            "SELECT central || '/' || edge_id AS gate, sum(revenue)::bigint AS sum"
            " FROM revenue GROUP BY 1"
        )
        return {row["gate"]: row["sum"] for row in rows}

    wait_for(f"revenue is {wanted}", lambda: by_gate() == wanted, PATIENCE_S)
    assert sum(wanted.values()) == 2 * 25_000 - 6_000 + 70_400
    days = {row["day"] for row in rig.rows("SELECT DISTINCT day FROM revenue")}
    assert len(days) <= 2, "a test at midnight has two"
    assert datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date() in days


@pytest.mark.parametrize("personal", ["full", "pseudonym"])
def test_an_erased_vehicle_is_in_no_row_of_the_fleet_and_its_stays_go_on_counting(
    rig: Rig, personal: str
) -> None:
    more = {}
    if personal == "pseudonym":
        more = {"personal_key_file": str(rig.folder / "pseudonyms.key")}
        from zparkd.testbed.loopback import new_key

        new_key(rig.folder / "pseudonyms.key")
    rig.fleet()
    central = rig.central("central-1", personal=personal, **more)
    rig.uplink(central)
    visit(central, PLATE, VIEW)
    visit(central, PLATE, VIEW)
    visit(central, OTHER, "30F-999.99")
    rig.await_events("lot-a", events_held(central))
    wait_for("all stays are there", lambda: len(rig.stays("lot-a")) == 3, PATIENCE_S)
    shown = [row["plate_id"] for row in rig.stays("lot-a")]
    plate = PLATE if personal == "full" else shown[0]
    assert shown[:2] == [plate, plate]
    assert said_in(rig, plate)
    told(central, "erase", PLATE)
    wait_for(f"{plate} is in no row", lambda: not said_in(rig, plate), PATIENCE_S)
    assert not said_in(rig, VIEW)
    wait_for(
        "its stays have no name",
        lambda: [row["plate_id"] for row in rig.stays("lot-a")][:2] == [None, None],
        PATIENCE_S,
    )
    if personal == "full":
        rig.await_history("lot-a", central)
        assert [row["plate_id"] for row in history(central)] == [None, None, OTHER]
    wait_for("the site says what its stays come to", lambda: rig.verify("lot-a")["success"], 60)
    result = rig.verify("lot-a")
    assert (result["stays"], result["rows_equal"], result["site_equal"]) == (3, True, True)
    for program in rig.programs[:1]:  # the fleet, whose database is lost
        program.kill()
    with psycopg.connect(rig.database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    rig.fleet()
    rig.await_events("lot-a", events_held(central))
    wait_for("the site says it once more", lambda: rig.verify("lot-a")["success"], PATIENCE_S)
    assert not said_in(rig, plate)
