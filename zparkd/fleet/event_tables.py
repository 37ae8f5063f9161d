"""The events in the fleet's database, and what they name and say of each other. SQL only.

Every function works in the caller's transaction.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from psycopg.types.json import Jsonb

from zparkd.core.events.event import ERASED, Event, Position, Stream, read
from zparkd.core.events.ids import nameless
from zparkd.core.events.payloads import TariffSet, VehicleErased
from zparkd.core.fleet import Sent, read_event, write_event
from zparkd.core.members.votes import Verdicts, Words
from zparkd.core.site import Told
from zparkd.core.stays.erasure import forgotten, plates_said, positions, root_of
from zparkd.fleet.fold import act_number, vehicle_number
from zparkd.fleet.site_tables import Connection

_EVENT_COLUMNS = (
    "site, origin, epoch, seq, kind, timestamp_ms, order_ms, vehicle, act, meant, told,"
    " skeleton, personal, signature"
)
_MEMBER_KINDS = (
    "('MEMBER_DISOWNED', 'MEMBER_RESTORED', 'MEMBER_ADMITTED', 'MEMBER_REMOVED', 'MEMBER_JOINED')"
)
# Each with what stands for its plate, where that was erased.
_EVENTS = (
    "SELECT e.skeleton, e.personal, e.told, x.plate FROM events e"
    " LEFT JOIN erased x USING (site, origin, epoch, seq)"
)
_AT = "unnest(%s::text[], %s::bigint[], %s::bigint[]) AS at(origin, epoch, seq)"


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
        f"{_EVENTS} WHERE e.site = %s AND e.kind IN {_MEMBER_KINDS}",
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


# --- what was erased


def note_erases(connection: Connection, site: str, erases: Iterable[Event]) -> set[Position]:
    """Note what stands for the plates of all that erases name; the positions. The oldest counts."""
    rows = []
    for event in erases:
        assert isinstance(event.reference, VehicleErased)
        plate = nameless(root_of(event, event.reference))
        named = positions(event.reference)
        rows += [(site, *position, plate, *event.key) for position in named]
    with connection.cursor() as run:
        run.executemany(
            "INSERT INTO erased VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s)"
            " ON CONFLICT (site, origin, epoch, seq) DO UPDATE SET plate = excluded.plate,"
            " erase_order = excluded.erase_order, erase_origin = excluded.erase_origin,"
            " erase_epoch = excluded.erase_epoch, erase_seq = excluded.erase_seq"
            " WHERE (excluded.erase_order, excluded.erase_origin, excluded.erase_epoch,"
            " excluded.erase_seq) < (erased.erase_order, erased.erase_origin,"
            " erased.erase_epoch, erased.erase_seq)",
            rows,
        )
        run.executemany(
            "INSERT INTO outdated VALUES (%s,%s,%s,%s) ON CONFLICT DO NOTHING",
            [row[:4] for row in rows],
        )
    return {Position(*row[1:4]) for row in rows}


def outdated(connection: Connection, site: str) -> frozenset[Position]:
    """The events that were erased and of which older messages may be there."""
    rows = connection.execute("SELECT origin, epoch, seq FROM outdated WHERE site = %s", (site,))
    return frozenset(Position(*row) for row in rows)


def not_outdated(connection: Connection, site: str, at: Iterable[Position]) -> None:
    """There are none of these any more."""
    with connection.cursor() as run:
        run.executemany(
            "DELETE FROM outdated WHERE (site, origin, epoch, seq) = (%s,%s,%s,%s)",
            [(site, *position) for position in at],
        )


def erased_at(connection: Connection, site: str, at: Collection[Position]) -> dict[Position, str]:
    """What stands for the plates of the events at these positions, where they were erased."""
    if not at:
        return {}
    rows = connection.execute(
        "SELECT origin, epoch, seq, plate FROM erased"
        f" JOIN {_AT} USING (origin, epoch, seq) WHERE site = %s",
        (*map(list, zip(*at, strict=True)), site),
    )
    return {Position(*position): plate for *position, plate in rows}


def any_erased(connection: Connection, site: str) -> bool:
    """Whether anything of a site ever was."""
    found = connection.execute("SELECT 1 FROM erased WHERE site = %s LIMIT 1", (site,)).fetchone()
    return found is not None


def any_erased_beyond(connection: Connection, site: str, heads: Mapping[Stream, int]) -> bool:
    """Whether anything was erased by an event beyond these heads."""
    rows = connection.execute(
        "SELECT DISTINCT erase_origin, erase_epoch, erase_seq FROM erased WHERE site = %s", (site,)
    )
    return any(seq > heads.get(Stream(origin, epoch), 0) for origin, epoch, seq in rows)


def forget(connection: Connection, site: str, at: Mapping[Position, str]) -> set[int]:
    """Drop the personal parts of the events at these positions, which others wait for too.

    Each is of the vehicle without a name then that is given. The vehicles for which that changes
    anything.
    """
    if not at:
        return set()
    columns = [*map(list, zip(*at, strict=True))]
    touched: set[int] = set()
    said: set[str] = set()
    rows = connection.execute(
        "SELECT origin, epoch, seq, skeleton, personal, told, vehicle FROM events"
        f" JOIN {_AT} USING (origin, epoch, seq) WHERE site = %s",
        (*columns, site),
    ).fetchall()
    for *position, skeleton, personal, told, old in rows:
        event = read(bytes(skeleton), bytes(personal), stands_in=told == Told.PSEUDONYM)
        said |= plates_said(event)[1]
        now = forgotten(event, at[Position(*position)])
        new = vehicle_number(site, now.vehicle) if now.vehicle is not None else None
        act = act_number(new, now) if new is not None else None
        connection.execute(
            "UPDATE events SET personal = 'null', vehicle = %s, act = %s"
            " WHERE (site, origin, epoch, seq) = (%s,%s,%s,%s)",
            (new, act, site, *position),
        )
        touched |= {no for no in (old, new) if no is not None and old != new}
    for *key, message in connection.execute(
        "SELECT origin, epoch, seq, hash, message FROM ahead"
        f" JOIN {_AT} USING (origin, epoch, seq) WHERE site = %s",
        (*columns, site),
    ).fetchall():
        sent = read_event(bytes(message))
        said |= plates_said(sent.event)[1]
        empty = write_event(sent.event.skeleton, ERASED, sent.told, sent.proof)
        connection.execute(
            "UPDATE ahead SET message = %s"
            " WHERE (site, origin, epoch, seq, hash) = (%s,%s,%s,%s,%s)",
            (empty, site, *key),
        )
    for plate_id in said:
        connection.execute(
            "DELETE FROM aside WHERE site = %s AND position(%s::bytea IN message) > 0",
            (site, plate_id.encode()),
        )
    return touched


def drop_personal(connection: Connection, site: str, position: Position) -> int | None:
    """Drop the personal part of an event that came again without; the vehicle that it was of."""
    row = connection.execute(
        "UPDATE events e SET personal = 'null', vehicle = NULL, act = NULL FROM events old"
        " WHERE (e.site, e.origin, e.epoch, e.seq) = (%s,%s,%s,%s)"
        " AND (old.site, old.origin, old.epoch, old.seq) = (e.site, e.origin, e.epoch, e.seq)"
        " AND e.personal <> 'null' RETURNING old.vehicle",
        (site, *position),
    ).fetchone()
    return row[0] if row is not None else None


# --- what is held


def events_of(connection: Connection, site: str, vehicles: Iterable[int]) -> list[Event]:
    """All events of vehicles that mean anything."""
    return _events(
        connection,
        f"{_EVENTS} WHERE e.vehicle = ANY(%s) AND e.site = %s AND e.meant",
        (list(vehicles), site),
    )


def vehicles_at(
    connection: Connection, site: str, positions: Sequence[Position]
) -> dict[Position, int]:
    """The vehicles of the events at these positions, where they are held and have one."""
    found = {}
    for *position, no in connection.execute(
        "SELECT origin, epoch, seq, vehicle FROM events"
        f" JOIN {_AT} USING (origin, epoch, seq) WHERE site = %s AND vehicle IS NOT NULL AND meant",
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
    found = []
    for skeleton, personal, told, plate in connection.execute(query, values):
        event = read(bytes(skeleton), bytes(personal), stands_in=told == Told.PSEUDONYM)
        found.append(forgotten(event, plate) if plate is not None else event)
    return found


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
