"""What the fleet's database says of sites: heads, keys, what waits, what is no use. SQL only.

Every function works in the caller's transaction.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from zparkd.core.events.event import Stream
from zparkd.core.events.signing import Certificate
from zparkd.core.fleet import FleetHeads, SiteHeads, StaySum
from zparkd.core.site import Told
from zparkd.core.stays.fold import FOLD_VERSION
from zparkd.fleet.intake import Aside, Held, Waiting

Connection = psycopg.Connection[Any]
WAITING_OF_A_SITE = 200_000  # further messages after a gap are left to be sent again
ASIDE_OF_A_SITE = 1_000  # the newest are kept


class Cursor(NamedTuple):
    """How far the messages of a site were taken from the stream that was made then."""

    made: str | None
    seq: int


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def note_site(connection: Connection, said: SiteHeads) -> bool:
    """Write down what the sender of a site says; whether the site is new."""
    row = connection.execute(
        "INSERT INTO sites (site, timezone, sender, personal, said_ms, said_heads, stay_sum, fold)"
        " VALUES (%s,%s,%s,%s,%s,%s,%s,%s) ON CONFLICT (site) DO UPDATE SET"
        " timezone = excluded.timezone, sender = excluded.sender, personal = excluded.personal,"
        " said_ms = excluded.said_ms, said_heads = excluded.said_heads,"
        " stay_sum = coalesce(excluded.stay_sum, sites.stay_sum)"
        " RETURNING xmax = 0",
        (
            *(said.site, said.timezone, said.sender, said.personal.value, now_ms()),
            Jsonb(said.heads),
            Jsonb(msgspec.to_builtins(said.stays)) if said.stays is not None else None,
            FOLD_VERSION,
        ),
    ).fetchone()
    assert row is not None
    return bool(row[0])


def is_timezone(connection: Connection, name: str) -> bool:
    """Whether the database knows a time zone by this name."""
    row = connection.execute("SELECT 1 FROM pg_timezone_names WHERE name = %s", (name,))
    return row.fetchone() is not None


def fleet_heads(connection: Connection, site: str) -> FleetHeads:
    """What the fleet answers a site."""
    heads = connection.execute(
        "SELECT origin, epoch, head FROM streams WHERE site = %s ORDER BY 1, 2", (site,)
    ).fetchall()
    row = connection.execute("SELECT pending, problem FROM sites WHERE site = %s", (site,))
    pending, problem = row.fetchone() or (0, None)
    return FleetHeads(1, heads, pending, problem)


def sites(connection: Connection) -> list[str]:
    """The sites that were ever heard of."""
    return [site for (site,) in connection.execute("SELECT site FROM sites ORDER BY site")]


def stay_sum(connection: Connection, site: str) -> tuple[StaySum | None, Told] | None:
    """What the site said its stays come to; None for an unknown site."""
    row = connection.execute("SELECT stay_sum, personal FROM sites WHERE site = %s", (site,))
    found = row.fetchone()
    if found is None:
        return None
    said = msgspec.convert(found[0], StaySum) if found[0] is not None else None
    return said, Told(found[1] or Told.FULL)


def cursor(connection: Connection, site: str) -> Cursor:
    """How far the messages of a site were taken."""
    row = connection.execute("SELECT stream_made, stream_seq FROM sites WHERE site = %s", (site,))
    return Cursor(*(row.fetchone() or (None, 0)))


def lock_against_turns(connection: Connection, sites: Iterable[str]) -> None:
    """Let no other turn of these sites commit before this transaction."""
    connection.execute(
        "SELECT 1 FROM sites WHERE site = ANY(%s) ORDER BY site FOR UPDATE", ([*sites],)
    )


class Progress(NamedTuple):
    """How far the messages of a site were taken now, how many wait, and what is wrong."""

    site: str
    at: Cursor
    pending: int
    problem: str | None


def write_progress(connection: Connection, made: Sequence[Progress]) -> None:
    """Write that down."""
    rows = [(site, *at, pending, problem) for site, at, pending, problem in made]
    connection.execute(
        "UPDATE sites s SET stream_made = n.made, stream_seq = n.seq, pending = n.pending,"
        " problem = n.problem, taken_ms = %s FROM unnest(%s::text[], %s::text[], %s::bigint[],"
        " %s::bigint[], %s::text[]) AS n(site, made, seq, pending, problem)"
        " WHERE s.site = n.site",
        (now_ms(), *([*part] for part in zip(*rows, strict=True))),
    )


def fold_version(connection: Connection, site: str) -> int:
    """The version of the rules by which a site was folded."""
    row = connection.execute("SELECT fold FROM sites WHERE site = %s", (site,)).fetchone()
    return int(row[0]) if row is not None else FOLD_VERSION


def write_fold_version(connection: Connection, site: str, version: int) -> None:
    """Write down by which rules it is folded."""
    connection.execute("UPDATE sites SET fold = %s WHERE site = %s", (version, site))


def load_held(connection: Connection, site: str, keys: Mapping[str, frozenset[bytes]]) -> Held:
    """What is held of a site, as taking more asks for it."""
    held = Held(site, keys)
    for origin, epoch, head, hash, *certificate in connection.execute(
        "SELECT origin, epoch, head, head_hash, stream_key, identity_key, certified"
        " FROM streams WHERE site = %s",
        (site,),
    ):
        stream = Stream(origin, epoch)
        held.heads[stream] = (head, hash)
        if certificate[0] is not None:
            held.certificates[stream] = Certificate(stream, *certificate)
    for origin, key in connection.execute(
        "SELECT origin, identity_key FROM identities WHERE site = %s", (site,)
    ):
        held.pinned.setdefault(origin, set()).add(key)
    for origin, epoch, seq in connection.execute(
        "SELECT origin, epoch, seq FROM ahead WHERE site = %s", (site,)
    ):
        held.waits.setdefault(Stream(origin, epoch), set()).add(seq)
    row = connection.execute("SELECT signs FROM sites WHERE site = %s", (site,)).fetchone()
    held.signs = bool(held.certificates) or (row is not None and row[0])
    return held


class Moved(NamedTuple):
    """A stream whose head moved: its head and hash, and its certificate where that is new."""

    site: str
    stream: Stream
    head: int
    hash: str
    certificate: Certificate | None


def write_heads(connection: Connection, moved: Sequence[Moved]) -> None:
    """Write down the heads of streams of several sites."""
    rows = []
    for site, stream, head, hash, certificate in moved:
        rows.append((site, *stream, head, hash, *(certificate or (None,) * 4)[1:]))
    connection.execute(
        "INSERT INTO streams SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[],"
        " %s::bigint[], %s::text[], %s::bytea[], %s::bytea[], %s::bytea[])"
        " ON CONFLICT (site, origin, epoch) DO UPDATE SET head = excluded.head,"
        " head_hash = excluded.head_hash,"
        " stream_key = coalesce(excluded.stream_key, streams.stream_key),"
        " identity_key = coalesce(excluded.identity_key, streams.identity_key),"
        " certified = coalesce(excluded.certified, streams.certified)",
        [[*part] for part in zip(*rows, strict=True)],
    )


def write_keys(connection: Connection, site: str, pinned: Iterable[tuple[str, bytes]]) -> None:
    """Write down whose keys were believed; from then on the site signs."""
    for origin, key in pinned:
        connection.execute(
            "INSERT INTO identities VALUES (%s,%s,%s) ON CONFLICT DO NOTHING", (site, origin, key)
        )
    connection.execute("UPDATE sites SET signs = true WHERE site = %s AND NOT signs", (site,))


def waiting(
    connection: Connection, site: str, stream: Stream, after: int, limit: int
) -> list[bytes]:
    """The first messages of a stream that wait, after a position."""
    rows = connection.execute(
        "SELECT message FROM ahead WHERE site = %s AND origin = %s AND epoch = %s AND seq > %s"
        " ORDER BY seq LIMIT %s",
        (site, *stream, after, limit),
    ).fetchall()
    return [bytes(message) for (message,) in rows]


def write_waiting(connection: Connection, site: str, messages: Iterable[Waiting]) -> None:
    """Let messages wait."""
    with connection.cursor() as run:
        run.executemany(
            "INSERT INTO ahead VALUES (%s,%s,%s,%s,%s,%s) ON CONFLICT DO NOTHING",
            [(site, *at.sent.event.position, at.sent.event.hash, at.message) for at in messages],
        )


def wait_no_more(connection: Connection, site: str, stream: Stream, head: int) -> None:
    """Drop those that wait up to a head."""
    connection.execute(
        "DELETE FROM ahead WHERE site = %s AND origin = %s AND epoch = %s AND seq <= %s",
        (site, *stream, head),
    )


def write_aside(connection: Connection, site: str, messages: Iterable[Aside]) -> None:
    """Keep what can't be taken, for a person to look at."""
    with connection.cursor() as run:
        run.executemany(
            "INSERT INTO aside (site, at_ms, why, message) VALUES (%s,%s,%s,%s)",
            [(site, now_ms(), one.why, one.message) for one in messages],
        )
    connection.execute(
        "DELETE FROM aside WHERE site = %s AND no <= (SELECT no FROM aside WHERE site = %s"
        " ORDER BY no DESC OFFSET %s LIMIT 1)",
        (site, site, ASIDE_OF_A_SITE),
    )
