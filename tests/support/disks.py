"""What becomes of the disks of real centrals: rot, loss, forks. No test lives here."""

import sqlite3
from contextlib import closing

from zparkd.core.events.event import Event, Kind, Personal, Position, Stream, read, write
from zparkd.storage.store import Store
from zparkd.testbed.loopback import SITE, LoopbackCentral

BEFORE = 2  # events of a stream that stand before the rotten one


def heads(central: LoopbackCentral) -> dict[Stream, int]:
    address = f"{central.database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=5)) as connection:
        rows = connection.execute("SELECT origin, epoch, head FROM streams").fetchall()
    return {Stream(origin, epoch): head for origin, epoch, head in rows}


def rot(central: LoopbackCentral, stream: Stream, part: str) -> None:
    """Change one byte of the first event after `BEFORE`, as a disk may; the daemon is off."""
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


def events(central: LoopbackCentral) -> list[Event]:
    """All that a central holds, stream by stream."""
    address = f"{central.database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=5)) as connection:
        found = connection.execute("SELECT skeleton, sealed FROM events ORDER BY at").fetchall()
    return [read(*parts) for parts in found]


def fork(central: LoopbackCentral, held: list[Event], stream: Stream) -> None:
    """Give a central a disk on which the last event of a stream, and one more, are others.

    As a machine leaves it that is set back while it runs. The daemon is off, and has no keys.
    """
    *before, last = [event for event in held if event.position.stream == stream]
    store = Store(central.database, central.id, SITE, "Asia/Ho_Chi_Minh")
    try:
        for event in held:
            if event.position.stream != stream:
                store.append(event)
        for event in before:
            store.append(event)
        prev = before[-1].hash
        for seq in (last.position.seq, last.position.seq + 1):
            assert last.facts is not None
            other = write(
                Position(*stream, seq),
                Kind.ENTRY,
                timestamp=last.timestamp + seq,
                order=last.order + seq,
                prev=prev,
                facts=last.facts,
                personal=Personal(salt=f"{seq}", plate_id=f"99Z{seq:05}"),
            )
            store.append(other)
            prev = other.hash
        store.settle()
        store.commit()
    finally:
        store.close()
