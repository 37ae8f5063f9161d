"""Figures of a database for those who watch it, and how far its peers are known to be."""

import sqlite3
from typing import Any

from zparkd.storage.keys import key_of

SYNC_STATE = ("peer_central_id", "last_sync_timestamp", "last_sync_time", "updated_at")
"""What is said of a peer, in this order: up to when all that it had is held here."""


def sync_state(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Up to when all that each peer had is held here, with what SYNC_STATE names, by peer."""
    query = f"SELECT {', '.join(SYNC_STATE)} FROM p2p_sync_state ORDER BY peer_central_id"
    return [dict(row) for row in connection.execute(query)]


def events_by_central(connection: sqlite3.Connection, limit: int) -> dict[str, int]:
    """How many events are held of each central, of the `limit` with most."""
    rows = connection.execute(
        "SELECT origin, sum(head) FROM streams GROUP BY origin ORDER BY 2 DESC LIMIT ?", (limit,)
    )
    return dict(rows.fetchall())


def verdicts(connection: sqlite3.Connection) -> dict[str, int]:
    """How many events did not count, by what became of them."""
    rows = connection.execute(
        "SELECT verdict, count(*) FROM verdicts"
        " WHERE verdict <> 'REPEATED' AND verdict <> 'VOIDED' GROUP BY 1"
    )
    return dict(rows.fetchall())


def stays_remarked(connection: sqlite3.Connection) -> int:
    """How many stays a person should look at."""
    row = connection.execute("SELECT count(*) FROM sessions WHERE remarks IS NOT NULL").fetchone()
    return int(row[0])


def oldest_lacking(connection: sqlite3.Connection, streams_each: int) -> dict[str, int]:
    """When the oldest event here that a peer lacks was recorded, in ms, by peer.

    By what was written down of each peer, a few seconds ago at most, and of at most so many
    streams of each. A peer that lacks none is not there.
    """
    streams = connection.execute("SELECT no, origin, epoch, head FROM streams").fetchall()
    peers: dict[str, dict[tuple[str, int], int]] = {}
    for peer_id, origin, epoch, head in connection.execute("SELECT * FROM peer_heads"):
        peers.setdefault(peer_id, {})[origin, epoch] = head
    found = {}
    for peer_id, held in peers.items():
        firsts = [
            key_of(number, held.get((origin, epoch), 0) + 1)
            for number, origin, epoch, head in streams
            if held.get((origin, epoch), 0) < head
        ][:streams_each]
        query = f"SELECT min(timestamp) FROM events WHERE at IN ({','.join('?' * len(firsts))})"
        oldest_ms = connection.execute(query, firsts).fetchone()[0]
        if oldest_ms is not None:
            found[peer_id] = oldest_ms
    return found
