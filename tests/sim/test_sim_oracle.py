"""The oracle agrees with the published vectors, and has no rule from the code that it judges."""

import ast
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.sim.oracle import events, members, prices, stays
from tests.sim.oracle.events import Said
from tests.sim.oracle.held import Held

ROOT = Path(__file__).resolve().parents[2]
VECTORS = json.loads((ROOT / "docs" / "vectors.json").read_text())
ALLOWED = {"tests.sim.oracle", "orjson"}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports from beside itself"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests/sim/oracle").glob("*.py")), ids=lambda path: path.stem
)
def test_the_oracle_shares_no_code_with_what_it_judges(path: Path) -> None:
    ours = {
        name
        for name in imported(path)
        if name.split(".")[0] in ("zparkd", "tests", "msgspec", "orjson")
    }
    assert all(any(name.startswith(it) for it in ALLOWED) for name in ours), ours


def said(event: dict) -> Said:
    who = {"salt": "0", **({"plate_id": event["plate_id"]} if "plate_id" in event else {})}
    return Said(
        tuple(event["position"]),
        event["kind"],
        event["timestamp"],
        event["order"],
        "",
        "",
        True,
        {name: value for name, value in event["data"].items() if value is not None},
        who,
    )


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("vector", VECTORS["folds"], ids=lambda vector: vector["name"])
def test_it_folds_as_the_published_vectors_say(vector: dict, backwards: bool) -> None:
    came = [said(event) for event in vector["events"]]
    held = Held(reversed(came) if backwards else came)
    found = {
        stay.entry.at: (
            *stay.vehicle,
            stay.confirmed,
            stay.closed_by,
            stay.closer.at if stay.closer is not None else None,
            stay.paid[0],
            stay.duration_s,
            stay.remarks.split(",") if stay.remarks else [],
        )
        for stay in held.stays().values()
    }
    wanted = {
        tuple(it["entry"]): (
            it["camera_type"],
            it["plate_id"],
            it["confirmed"],
            it["closed_by"],
            tuple(it["closer"]) if it["closer"] is not None else None,
            it["fee"],
            it["duration_s"],
            it["remarks"],
        )
        for it in vector["stays"]
    }
    assert found == wanted
    judged = {
        tuple(it["position"]): (it["verdict"], tuple(it["instead"]) if it["instead"] else None)
        for it in vector["judged"]
    }
    assert held.verdicts() == judged


@pytest.mark.parametrize("vector", VECTORS["kept_but_meaningless"], ids=lambda it: it["name"])
def test_it_sees_no_meaning_where_there_is_none(vector: dict) -> None:
    event = events.read(vector["skeleton"].encode(), vector["personal_part"].encode())
    assert event.data is None
    assert event.hash == vector["hash"]


@pytest.mark.parametrize("vector", VECTORS["events"] + VECTORS["reference_events"])
def test_it_reads_what_means_something(vector: dict) -> None:
    event = events.read(vector["skeleton"].encode(), vector["personal_part"].encode())
    assert event.data is not None
    assert event.whole


# Clocks that are set during a stay are beyond the sites of the simulator.
FEES = [it for it in VECTORS["tariff_fees"] if it["timezone"] == "Asia/Ho_Chi_Minh"]


@pytest.mark.parametrize("number", range(len(FEES)))
def test_it_prices_as_the_published_vectors_say(number: int) -> None:
    it = FEES[number]
    zone = ZoneInfo(it["timezone"])
    fee, _ = prices.price(
        it["document"],
        it["camera_type"],
        it["entry_ms"],
        it["exit_ms"],
        zone,
        lost_ticket=it["lost_ticket"],
    )
    assert fee == it["fee"]


@pytest.mark.parametrize("vector", VECTORS["durations"])
def test_it_says_durations_as_the_published_vectors_do(vector: dict) -> None:
    assert stays.duration_words(vector["duration_s"]) == vector["duration"]


@pytest.mark.parametrize("vector", VECTORS["disowned"], ids=lambda it: it["name"])
def test_it_disowns_whom_the_published_vectors_do(vector: dict) -> None:
    words = [said({"timestamp": 0, "order": 0, **it}) for it in vector["words"]]
    found = members.disowned(members.words_in(words))
    wanted = {
        member: members.Heads(dict(heads["heads"]), heads["whole_before"])
        for member, heads in vector["disowned"].items()
    }
    assert found == wanted
