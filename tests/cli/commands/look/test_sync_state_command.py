"""`zparkctl sync-state`, against the database of a real store."""

from contextlib import closing

import orjson

from tests.cli.conftest import Central
from zparkd.core.replication.peer_state import PeerNote
from zparkd.storage.store import Store

NOON_MS = 1_764_651_600_000  # 2025-12-02 12:00:00 at the site


def note(central: Central, *notes: PeerNote) -> None:
    with closing(Store(central.database, "central-1", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        store.note_peers([one.peer_id for one in notes], notes, NOON_MS + 5000)
        store.commit()


def test_json_has_a_row_for_each_peer(central: Central) -> None:
    note(central, PeerNote("central-3", 0, []), PeerNote("central-2", NOON_MS, []))
    result = central.run("sync-state", "--json")
    assert result.exit_code == 0, result.stderr
    assert orjson.loads(result.stdout) == [
        {
            "peer_central_id": "central-2",
            "last_sync_timestamp": NOON_MS,
            "last_sync_time": "2025-12-02 12:00:00",
            "updated_at": "2025-12-02 12:00:05",
        },
        {
            "peer_central_id": "central-3",
            "last_sync_timestamp": 0,
            "last_sync_time": None,
            "updated_at": "2025-12-02 12:00:05",
        },
    ]


def test_the_table_says_never(central: Central) -> None:
    note(central, PeerNote("central-2", NOON_MS, []), PeerNote("central-3", 0, []))
    assert central.run("sync-state").stdout == (
        "PEER       ALL IS HERE UP TO    WRITTEN DOWN\n"
        "central-2  2025-12-02 12:00:00  2025-12-02 12:00:05\n"
        "central-3  never                2025-12-02 12:00:05\n"
    )


def test_no_peers_are_none(central: Central) -> None:
    note(central)
    assert central.run("sync-state").stdout.startswith("sync state: none")
    assert orjson.loads(central.run("sync-state", "--json").stdout) == []


def test_no_database_exits_1_and_is_not_made(central: Central) -> None:
    result = central.run("sync-state")
    assert result.exit_code == 1
    assert str(central.database) in result.stderr
    assert not central.database.exists()
