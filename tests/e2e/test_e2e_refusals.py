"""One rotten byte on a disk, between real daemons: it costs one stream until a sound peer is up."""

import pytest

from tests.e2e.conftest import MakeSite
from tests.support.disks import BEFORE, events, fork, heads, lose_disk, rot
from tests.support.harness import (
    PATIENCE_S,
    enter,
    peer_row,
    problems,
    promised,
    wait_connected,
    wait_equal,
    zparkctl,
)
from zparkd.config.load import SecurityMode
from zparkd.testbed.loopback import wait_for

WITHIN_S = 5.0


@pytest.mark.parametrize(
    ("mode", "part"),
    [
        # In one process, tests/core/replication/test_ingest.py spoils every byte in each way.
        (SecurityMode.CURVE, "sealed"),
        pytest.param(SecurityMode.PLAIN, "sealed", marks=pytest.mark.slow),
        pytest.param(SecurityMode.CURVE, "skeleton", marks=pytest.mark.slow),
    ],
)
def test_an_empty_disk_beside_a_rotten_byte_has_all_but_the_rest_of_one_stream_within_5_s(
    make_site: MakeSite, mode: SecurityMode, part: str
) -> None:
    site = make_site(3, mode=mode)
    rotten, empty, sound = site.centrals
    if mode is SecurityMode.CURVE:
        for central in site.centrals:
            central.admits("in-1")
    site.start()
    wait_connected(*site.centrals)
    for number in range(15):  # more than are looked at when a daemon starts
        enter(rotten, f"29A{number:05d}")
    (stream,) = (one for one in heads(rotten) if one.origin == rotten.id)
    rotten.stop()
    rotten.start()
    wait_connected(*site.centrals)
    enter(rotten, "29A00100")
    enter(empty, "29A00200")
    enter(sound, "29A00300")
    wait_equal(site.centrals, when=lambda rows: len(rows) == 18)
    for central in site.centrals:
        central.stop()
    whole = heads(rotten)
    rot(rotten, stream, part)
    lose_disk(empty)
    rotten.start()
    empty.start()
    wanted = whole | {stream: BEFORE}
    wait_for(
        "all but the rest of one stream is here",
        lambda: heads(empty).items() >= wanted.items(),
        promised(WITHIN_S),
    )
    wait_for("the peer is named", lambda: "STREAM_STUCK" in problems(empty), promised(WITHIN_S))
    assert heads(empty)[stream] == BEFORE
    (stuck,) = (one for one in empty.status()["problems"] if one["code"] == "STREAM_STUCK")
    assert f"{stream.origin}/{stream.epoch} from event {BEFORE + 1} on" in stuck["message"]
    assert f"can't be taken from {rotten.id}" in stuck["message"]
    (corrupt,) = (one for one in rotten.status()["problems"] if one["code"] == "EVENT_CORRUPT")
    assert f"{stream.origin}/{stream.epoch}/" in corrupt["message"]
    shown = " ".join(zparkctl(empty.config, "status").stdout.split())
    assert stuck["message"] in shown
    synced = zparkctl(empty.config, "sync")
    assert synced.returncode == 1
    assert f"can't be taken from {rotten.id}" in synced.stderr
    assert enter(empty, "29A00400")["success"]
    sound.start()
    wait_for(
        "a sound peer gives the rest",
        lambda: heads(empty).items() >= whole.items(),
        PATIENCE_S,
    )
    wait_for(
        "nothing is stuck any more",
        lambda: "STREAM_STUCK" not in problems(empty),
        promised(WITHIN_S),
    )
    wait_equal([empty, sound], when=lambda rows: len(rows) == 19)
    checked = zparkctl(rotten.config, "verify")
    assert checked.returncode == 1
    assert f"{stream.origin}" in checked.stderr


@pytest.mark.parametrize("in_a_hurry", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_way_back_that_a_fork_names_works_as_printed(
    make_site: MakeSite, in_a_hurry: bool
) -> None:
    site = make_site(3)
    forked, other, third = site.centrals
    site.start()
    wait_connected(*site.centrals)
    enter(forked, "29A00001")
    enter(forked, "29A00002")
    (stream,) = (one for one in heads(forked) if one.origin == forked.id)
    wait_equal(site.centrals, when=lambda rows: len(rows) == 2)
    held = events(forked)
    forked.stop()
    lose_disk(forked)
    fork(forked, held, stream)
    forked.start()
    wait_connected(*site.centrals)
    wait_for("it is named", lambda: "FORKED" in problems(other) & problems(third), PATIENCE_S)
    (named,) = (one for one in other.status()["problems"] if one["code"] == "FORKED")
    assert f"{stream.origin}/{stream.epoch}/" in named["message"]
    shown = " ".join(zparkctl(other.config, "status").stdout.split())
    assert named["message"] in shown
    for number, central in enumerate(site.centrals):
        enter(central, f"29A0010{number}")
    wait_for(
        "all else goes on",
        lambda: all(
            {f"29A0010{n}" for n in range(3)} <= {row["plate_id"] for row in central.history()}
            for central in site.centrals
        ),
        PATIENCE_S,
    )
    assert "stop zparkd there, move its database away and start it" in named["hint"]
    forked.stop()
    for file in forked.folder.glob("zparkd.db*"):
        file.rename(forked.folder / f"kept-{file.name}")
    if not in_a_hurry:
        wait_for(
            "it is missed, as it is while a person does that",
            lambda: not any(peer_row(one, forked.id)["connected"] for one in (other, third)),
            PATIENCE_S,
        )
    forked.start()
    wait_connected(*site.centrals)
    wait_equal(site.centrals, when=lambda rows: len(rows) == 5)
    wait_for(
        "nothing is forked any more",
        lambda: not any("FORKED" in problems(central) for central in site.centrals),
        PATIENCE_S,
    )
