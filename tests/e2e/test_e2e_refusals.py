"""One rotten byte on a disk, between real daemons: it costs one stream until a sound peer is up."""

import sqlite3
from contextlib import closing

import pytest

from tests.e2e.conftest import MakeSite
from tests.support.harness import (
    PATIENCE_S,
    enter,
    problems,
    wait_connected,
    wait_equal,
    zparkctl,
)
from zparkd.config.load import SecurityMode
from zparkd.core.events.event import Stream
from zparkd.testbed.loopback import LoopbackCentral, wait_for

WITHIN_S = 5.0
BEFORE = 2  # events of the stream that stand before the rotten one


def heads(central: LoopbackCentral) -> dict[Stream, int]:
    address = f"{central.database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=5)) as connection:
        rows = connection.execute("SELECT origin, epoch, head FROM streams").fetchall()
    return {Stream(origin, epoch): head for origin, epoch, head in rows}


def rot(central: LoopbackCentral, stream: Stream, part: str) -> None:
    """Change one byte of an event, as a disk may; the daemon is off."""
    with closing(sqlite3.connect(central.database)) as connection:
        (number,) = connection.execute(
            "SELECT no FROM streams WHERE origin = ? AND epoch = ?", stream
        ).fetchone()
        at = number << 40 | BEFORE + 1
        (data,) = connection.execute(f"SELECT {part} FROM events WHERE at = ?", (at,)).fetchone()
        middle = len(data) // 2
        rotten = bytes([*data[:middle], data[middle] ^ 1, *data[middle + 1 :]])
        connection.execute(f"UPDATE events SET {part} = ? WHERE at = ?", (rotten, at))
        connection.commit()


def lose_disk(central: LoopbackCentral) -> None:
    for suffix in ("", "-wal", "-shm", ".mark"):
        central.database.with_name(f"zparkd.db{suffix}").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("mode", "part"),
    [
        (SecurityMode.PLAIN, "sealed"),
        (SecurityMode.CURVE, "sealed"),
        (SecurityMode.CURVE, "skeleton"),
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
        WITHIN_S,
    )
    wait_for("the peer is named", lambda: "STREAM_STUCK" in problems(empty), WITHIN_S)
    assert heads(empty)[stream] == BEFORE
    (stuck,) = (one for one in empty.status()["problems"] if one["code"] == "STREAM_STUCK")
    assert f"{stream.origin}/{stream.epoch} from event {BEFORE + 1} on" in stuck["message"]
    assert f"can't be taken from {rotten.id}" in stuck["message"]
    (corrupt,) = (one for one in rotten.status()["problems"] if one["code"] == "EVENT_CORRUPT")
    assert f"{stream.origin}/{stream.epoch}/" in corrupt["message"]
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
    wait_for("nothing is stuck any more", lambda: "STREAM_STUCK" not in problems(empty), WITHIN_S)
    wait_equal([empty, sound], when=lambda rows: len(rows) == 19)
    checked = zparkctl(rotten.config, "verify")
    assert checked.returncode == 1
    assert f"{stream.origin}" in checked.stderr
