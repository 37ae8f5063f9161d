"""The events in the fleet's database, and what they name and say of each other. SQL only.

Every function works in the caller's transaction.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from psycopg.types.json import Jsonb

from zparkd.core.events.event import Event, Position, read
from zparkd.core.events.payloads import TariffSet
from zparkd.core.fleet import Sent
from zparkd.core.members.votes import Verdicts, Words
from zparkd.core.site import Told
from zparkd.fleet.fold import act_number, vehicle_number
from zparkd.fleet.site_tables import Connection

_EVENT_COLUMNS = (
    "site, origin, epoch, seq, kind, timestamp_ms, order_ms, vehicle, act, meant, told,"
    " skeleton, personal, signature"
)
_MEMBER_KINDS = (
    "('MEMBER_DISOWNED', 'MEMBER_RESTORED', 'MEMBER_ADMITTED', 'MEMBER_REMOVED', 'MEMBER_JOINED')"
)


class Row(NamedTuple):
    """An event to be stored; one that is not `meant` is kept and changes nothing.

    `vehicle` and `act` are the numbers of `fold`; None where it has none.
    """

    site: str
    sent: Sent
    meant: bool
    vehicle: int | None
    act: int | None


def row(site: str, sent: Sent, meant: bool) -> Row:
    """The row of an event."""
    key = sent.event.vehicle
    no = vehicle_number(site, key) if key is not None else None
    return Row(site, sent, meant, no, act_number(no, sent.event) if no is not None else None)


def load_words(
    connection: Connection, site: str, counted: Callable[[Position], bool] = lambda _: True
) -> Words:
    """What the centrals of a site said of each other, in the events that are `counted`."""
    words = Words()
    for event in _events(
        connection,
        f"SELECT skeleton, personal, told FROM events WHERE site = %s AND kind IN {_MEMBER_KINDS}",
        (site,),
    ):
        if counted(event.position):
            words.hear(event)
    return words


def load_links(connection: Connection, site: str) -> dict[Position, set[int]]:
    """The positions that events of other vehicles name, or that are not held, and by which."""
    links: dict[Position, set[int]] = {}
    for *position, vehicle in connection.execute(
        "SELECT origin, epoch, seq, vehicle FROM links WHERE site = %s", (site,)
    ):
        links.setdefault(Position(*position), set()).add(vehicle)
    return links


def write_links(connection: Connection, site: str, links: Mapping[Position, Iterable[int]]) -> None:
    """Add to them."""
    with connection.cursor() as run:
        run.executemany(
            "INSERT INTO links VALUES (%s,%s,%s,%s,%s) ON CONFLICT DO NOTHING",
            [(site, *position, no) for position, nos in links.items() for no in nos],
        )


def copy_events(connection: Connection, rows: Iterable[Row]) -> None:
    """Store events."""
    with (
        connection.cursor() as run,
        run.copy(f"COPY events ({_EVENT_COLUMNS}) FROM STDIN") as copy,
    ):
        for site, sent, meant, no, act in rows:
            event = sent.event
            copy.write_row(
                (
                    site,
                    *event.position,
                    event.kind,
                    event.timestamp,
                    event.order,
                    no,
                    act,
                    meant,
                    sent.told.value,
                    event.skeleton,
                    event.personal_part,
                    sent.proof.signature if sent.proof is not None else None,
                )
            )


def erase(connection: Connection, site: str, position: Position) -> int | None:
    """Drop the personal part of an event; the vehicle that it was of."""
    row = connection.execute(
        "UPDATE events e SET personal = 'null', vehicle = NULL, act = NULL FROM events old"
        " WHERE (e.site, e.origin, e.epoch, e.seq) = (%s,%s,%s,%s)"
        " AND (old.site, old.origin, old.epoch, old.seq) = (e.site, e.origin, e.epoch, e.seq)"
        " AND e.personal <> 'null' RETURNING old.vehicle",
        (site, *position),
    ).fetchone()
    return row[0] if row is not None else None


def events_of(connection: Connection, site: str, vehicles: Iterable[int]) -> list[Event]:
    """All events of vehicles that mean anything."""
    return _events(
        connection,
        "SELECT skeleton, personal, told FROM events"
        " WHERE vehicle = ANY(%s) AND site = %s AND meant",
        (list(vehicles), site),
    )


def vehicles_at(
    connection: Connection, site: str, positions: Sequence[Position]
) -> dict[Position, int]:
    """The vehicles of the events at these positions, where they are held and have one."""
    found = {}
    for *position, no in connection.execute(
        "SELECT origin, epoch, seq, vehicle FROM events"
        " JOIN unnest(%s::text[], %s::bigint[], %s::bigint[]) AS at(origin, epoch, seq)"
        " USING (origin, epoch, seq) WHERE site = %s AND vehicle IS NOT NULL AND meant",
        (*([*part] for part in zip(*positions, strict=True)), site)
        if positions
        else ([], [], [], site),
    ):
        found[Position(*position)] = no
    return found


def vehicles_of(connection: Connection, site: str, origins: Iterable[str] | None) -> list[int]:
    """The vehicles that these origins recorded anything of; all, for None."""
    rows = connection.execute(
        "SELECT DISTINCT vehicle FROM events WHERE site = %s AND vehicle IS NOT NULL"
        " AND (%s::text[] IS NULL OR origin = ANY(%s))",
        (site, *(2 * [[*origins] if origins is not None else None])),
    )
    return [no for (no,) in rows]


def acts_held(connection: Connection, acts: Iterable[int]) -> set[int | None]:
    """Those of these acts of which an event is held."""
    rows = connection.execute("SELECT DISTINCT act FROM events WHERE act = ANY(%s)", ([*acts],))
    return {act for (act,) in rows}


def _events(connection: Connection, query: str, values: Sequence[object]) -> list[Event]:
    return [
        read(bytes(skeleton), bytes(personal), stands_in=told == Told.PSEUDONYM)
        for skeleton, personal, told in connection.execute(query, values)
    ]


def write_tariffs(
    connection: Connection, rows: Iterable[tuple[str, Event]], verdicts: Mapping[str, Verdicts]
) -> None:
    """Store tariffs that were set."""
    with connection.cursor() as run:
        run.executemany(
            "INSERT INTO tariffs VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s) ON CONFLICT DO NOTHING",
            [
                (
                    *(site, *event.position, event.reference.version, event.order),
                    *(event.timestamp, verdicts[site].counts(event.position)),
                    Jsonb(event.reference.document),
                )
                for site, event in rows
                if isinstance(event.reference, TariffSet)
            ],
        )


def judge_tariffs(connection: Connection, site: str, verdicts: Verdicts) -> None:
    """Say of each tariff whether it counts, after what is said of its origin changed."""
    for *position, counts in connection.execute(
        "SELECT origin, epoch, seq, counts FROM tariffs WHERE site = %s", (site,)
    ).fetchall():
        if verdicts.counts(Position(*position)) != counts:
            connection.execute(
                "UPDATE tariffs SET counts = %s WHERE (site, origin, epoch, seq) = (%s,%s,%s,%s)",
                (not counts, site, *position),
            )
