"""What a person has erased is in no byte of any central, nor of one that was away meanwhile."""

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.harness import QUICK, enter, leave, rows, wait_connected, wait_equal, zparkctl
from zparkd.testbed.loopback import LoopbackCentral, LoopbackSite, wait_for

PLATE, VIEW, OTHER = "29A12345", "29A-123.45", "30F99999"
WHO = ("--staff", "nv01", "--reason", "the owner asked")
PATIENCE_S = 30.0
READING = (
    ("history", "--json"),
    ("conflicts", "--all", "--json"),
    ("audit", "--json"),
    ("export", "history", "--format", "csv"),
    *(("report", name, "--json") for name in ("inside", "traffic", "revenue", "exceptions")),
    ("report", "shift"),
    ("vehicle", "show", OTHER, "--json"),
)


@pytest.fixture
def three() -> Iterator[LoopbackSite]:
    """Three centrals of this test alone: it looks at all bytes that they have."""
    with (
        tempfile.TemporaryDirectory(prefix="zp-") as name,
        LoopbackSite(Path(name), 3, more=QUICK) as site,
    ):
        site.start()
        wait_connected(*site.centrals)
        yield site


def visit(central: LoopbackCentral, plate: str, view: str) -> None:
    assert enter(central, plate, plate_view=view)["success"]
    assert leave(central, plate)["success"]


def held_of(central: LoopbackCentral) -> bytes:
    """All bytes of its database: the file, its log of commits, what lies beside it."""
    beside = sorted(central.database.parent.glob(central.database.name + "*"))
    return b"".join(path.read_bytes() for path in beside)


def says(central: LoopbackCentral, *words: str) -> list[str]:
    held = held_of(central)
    return [word for word in words if word.encode() in held]


def forgotten(central: LoopbackCentral) -> None:
    wait_for(
        f"{central.id} has {PLATE} in no byte",
        lambda: not says(central, PLATE, VIEW),
        PATIENCE_S,
    )


@contextmanager
def somebody_reads(central: LoopbackCentral) -> Iterator[None]:
    """A reader that holds on to the database as it was, as a long report does."""
    address = f"{central.database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM events").fetchone()
        yield


def test_an_erased_plate_is_in_no_byte_of_any_central_nor_of_one_that_was_away(
    three: LoopbackSite,
) -> None:
    first, second, third = three.centrals
    visit(first, PLATE, VIEW)
    visit(second, OTHER, "30F-999.99")
    wait_equal(three.centrals, "all show both", lambda rows: len(rows) == 2)
    first.stop()
    second.stop()
    visit(third, PLATE, VIEW)  # which nobody else hears of before the erase
    third.stop()
    first.start()
    second.start()
    wait_connected_pair(first, second)
    done = zparkctl(second.config, "vehicle", "erase", VIEW, *WHO)
    assert done.returncode == 0, done.stderr
    assert "3 events forgotten here" in done.stdout
    assert "made before still hold" in done.stderr
    for central in (first, second):
        forgotten(central)
        assert says(central, OTHER) == [OTHER]
    assert says(third, PLATE, VIEW) == [PLATE, VIEW]  # it is away
    third.start()
    wait_equal(
        three.centrals,
        "all show both stays of it without a name",
        lambda rows: sorted(str(row["plate_id"]) for row in rows) == [OTHER, "None", "None"],
    )
    for central in three.centrals:
        forgotten(central)
        assert says(central, OTHER) == [OTHER]
    for central in three.centrals:
        checked = zparkctl(central.config, "verify")
        assert checked.returncode == 0, checked.stderr + checked.stdout
    asked = zparkctl(first.config, "vehicle", "show", PLATE)
    assert asked.returncode == 1, asked.stdout
    stay = next(row for row in rows(first) if row["plate_id"] is None)
    charged = zparkctl(
        first.config, "vehicle", "charge", stay["event_id"], "--amount", "-500", *WHO
    )
    assert charged.returncode == 0, charged.stderr
    for words in READING:
        told = zparkctl(first.config, *words)
        assert told.returncode == 0, (words, told.stderr)
        assert "?central" not in told.stdout, words
    exported = zparkctl(first.config, "export", "events", "--format", "jsonl").stdout
    plates = {json.loads(line)["plate_id"] for line in exported.splitlines()}
    assert plates == {OTHER, None}


def wait_connected_pair(*centrals: LoopbackCentral) -> None:
    """Wait until these two hear each other, while the third is away."""
    wait_for(
        "both are connected",
        lambda: all(it.status()["connected_peers"] == 1 for it in centrals),
        PATIENCE_S,
    )


def test_it_needs_who_and_why_and_that_nobody_is_inside_and_tells_of_the_watch_list(
    three: LoopbackSite,
) -> None:
    (central, *_) = three.centrals
    enter(central, PLATE)
    refused = zparkctl(central.config, "vehicle", "erase", PLATE, *WHO)
    assert refused.returncode == 1
    assert "is inside" in refused.stderr
    assert zparkctl(central.config, "vehicle", "erase", PLATE, *WHO[:2]).returncode == 2
    unknown = zparkctl(central.config, "vehicle", "erase", "51G00000", *WHO, "--json")
    assert unknown.returncode == 1
    assert json.loads(unknown.stdout)["error"]["code"] == "unknown_plate"
    policy = central.folder / "policy.toml"
    policy.write_text(f'[watch]\n"{PLATE}" = "stolen"\n')
    assert zparkctl(central.config, "policy", "set", str(policy)).returncode == 0
    assert leave(central, PLATE)["success"]
    done = zparkctl(central.config, "vehicle", "erase", PLATE, *WHO)
    assert done.returncode == 0, done.stderr
    assert "on the watch list of the policy (stolen)" in done.stderr
    assert "zparkctl policy set" in done.stderr


def test_a_reader_that_holds_on_delays_it_and_no_further_event_is_needed(
    three: LoopbackSite,
) -> None:
    (central, *_) = three.centrals
    visit(central, PLATE, VIEW)
    wait_equal(three.centrals, "all show it", lambda rows: rows and rows[0]["status"] == "OUT")
    with somebody_reads(central):
        assert zparkctl(central.config, "vehicle", "erase", PLATE, *WHO).returncode == 0
        assert says(central, PLATE)  # the reader still sees it as it was
    for each in three.centrals:
        forgotten(each)
