"""How many came and went, and what they paid, counted by one thing or another."""

import sqlite3
from enum import StrEnum
from typing import NamedTuple

QUARTER_MS = 900_000
"""By which hours are counted: the offsets of all zones are whole quarters of an hour."""


class By(StrEnum):
    """What the sums are for: each quarter of an hour, each gate, or each type of vehicle."""

    HOUR = "hour"
    GATE = "gate"
    TYPE = "type"


_ENTRIES = {
    By.HOUR: "SELECT entry_ms / :quarter, count(*) FROM sessions"
    " WHERE entry_ms >= :since AND entry_ms < :until GROUP BY 1",
    By.GATE: "SELECT o.origin || '/' || s.edge_id, count(*)"
    " FROM sessions s JOIN streams o ON o.no = s.entry >> 40"
    " WHERE s.entry_ms >= :since AND s.entry_ms < :until GROUP BY 1",
    By.TYPE: "SELECT v.camera_type, count(*) FROM sessions s JOIN vehicles v ON v.no = s.vehicle"
    " WHERE s.entry_ms >= :since AND s.entry_ms < :until GROUP BY 1",
}
# `total` and not `sum`: that fails where a sum is more than an integer of SQLite holds.
_EXITED = "closed_by = 'EXIT' AND exit_ms >= :since AND exit_ms < :until GROUP BY 1, 2"
_EXITS = {
    By.HOUR: "SELECT exit_ms / :quarter, currency, count(*), CAST(total(fee) AS INTEGER)"
    " FROM sessions"
    f" WHERE {_EXITED}",
    By.GATE: "SELECT o.origin || '/' || s.exit_edge_id, s.currency, count(*),"
    " CAST(total(s.fee) AS INTEGER)"
    f" FROM sessions s JOIN streams o ON o.no = s.closer >> 40 WHERE {_EXITED}",
    By.TYPE: "SELECT v.camera_type, s.currency, count(*),"
    " CAST(total(s.fee) AS INTEGER)"
    f" FROM sessions s JOIN vehicles v ON v.no = s.vehicle WHERE {_EXITED}",
}
# Exits that ended no stay, those too whose entry has not arrived yet.
_NO_STAY = (
    " JOIN events e ON e.at = d.at LEFT JOIN claims c ON c.at = d.at"
    " WHERE d.verdict IN ('ENDED_NOTHING', 'WAITING') AND e.kind = 'VEHICLE_EXIT'"
    " AND e.timestamp >= :since AND e.timestamp < :until GROUP BY 1"
)
_PAID = "count(*), CAST(total(c.fee) AS INTEGER)"
_UNMATCHED = {
    By.HOUR: f"SELECT e.timestamp / :quarter, {_PAID} FROM verdicts d{_NO_STAY}",
    By.GATE: f"SELECT o.origin || '/' || e.edge_id, {_PAID}"
    f" FROM verdicts d JOIN streams o ON o.no = d.at >> 40{_NO_STAY}",
    By.TYPE: f"SELECT v.camera_type, {_PAID}"
    f" FROM verdicts d JOIN vehicles v ON v.no = d.vehicle{_NO_STAY}",
}


class Entries(NamedTuple):
    """How many came in; `key` is a gate, a type, or a number of quarters of an hour since 1970."""

    key: str | int
    number: int


class Exits(NamedTuple):
    """How many left, and what they paid in one currency; `key` as in Entries."""

    key: str | int
    currency: str | None
    number: int
    revenue: int


class Unmatched(NamedTuple):
    """How many left without ending a stay, and what they paid; `key` as in Entries."""

    key: str | int
    number: int
    paid: int


class Traffic(NamedTuple):
    """Who came and who left in one time."""

    entries: list[Entries]
    exits: list[Exits]
    unmatched: list[Unmatched]


def traffic(connection: sqlite3.Connection, by: By, since_ms: int, until_ms: int) -> Traffic:
    """The sums over those that came, and those that left, from `since_ms` to before `until_ms`."""
    values = {"since": since_ms, "until": until_ms, "quarter": QUARTER_MS}
    return Traffic(
        [Entries(*row) for row in connection.execute(_ENTRIES[by], values)],
        [
            Exits(key, currency, number, revenue or 0)
            for key, currency, number, revenue in connection.execute(_EXITS[by], values)
        ],
        [Unmatched(*row) for row in connection.execute(_UNMATCHED[by], values)],
    )
