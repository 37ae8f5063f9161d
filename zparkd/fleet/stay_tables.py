"""The stays in the fleet's database, and the vehicles that they are of. SQL only.

Every function works in the caller's transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zparkd.core.events.event import Event, Kind, Position, VehicleKey
from zparkd.core.events.ids import is_nameless
from zparkd.core.fleet import STAY_COLUMNS, StayValues
from zparkd.core.stays.fold import ClosedBy, Remark, Stay
from zparkd.fleet.fold import HeldStay, Judged, Vehicle
from zparkd.fleet.site_tables import Connection

_STAY_ROW = (
    "id, site, vehicle, camera_type, plate_id, plate_view, origin, epoch, seq, entry_order,"
    " entry_ms, entry_marked, entry_forced, edge_id, confidence, confirmed, closed_by,"
    " exit_origin, exit_epoch, exit_seq, exit_ms, exit_edge_id, fee, currency, duration_s, remarks,"
    " id_plate, plate_read, adjusted"
)
_STAY_TYPES = (
    *("int8", "text", "int8", "text", "text", "text", "text", "int8", "int8", "int8"),
    *("int8", "bool", "bool", "text", "float8", "bool", "text"),
    *("text", "int8", "int8", "int8", "text", "int8", "text", "int8", "text"),
    *("text", "text", "int8"),
)


def load_vehicles(
    connection: Connection, keys: Mapping[int, VehicleKey]
) -> tuple[dict[int, Vehicle], set[int]]:
    """The newest states of vehicles; and which of them have events at all."""
    found = {no: Vehicle(key) for no, key in keys.items()}
    known = set()
    for no, order in connection.execute(
        "SELECT vehicle, max(order_ms) FROM events WHERE vehicle = ANY(%s) GROUP BY 1",
        ([*keys],),
    ):
        found[no].last_order = order
        known.add(no)
    if known:
        for no, held in _held_stays(connection, "vehicle = ANY(%s) AND closed_by IS NULL", known):
            found[no].open = held
    return found, known


def _held_stays(
    connection: Connection, where: str, vehicles: Iterable[int]
) -> list[tuple[int, HeldStay]]:
    rows = connection.execute(f"SELECT {_STAY_ROW} FROM stay WHERE {where}", ([*vehicles],))
    return [(row[2], HeldStay(row[0], _stay(row), stored=True)) for row in rows]


def _stay(row: Sequence[Any]) -> Stay:
    return Stay(
        vehicle=VehicleKey(row[3], row[4]),
        entry=Position(*row[6:9]),
        entry_order=row[9],
        entry_ms=row[10],
        entry_marked=row[11],
        entry_forced=row[12],
        edge_id=row[13],
        plate_view=row[5],
        confidence=row[14],
        confirmed=row[15],
        closed_by=ClosedBy(row[16]) if row[16] is not None else None,
        closer=Position(*row[17:20]) if row[17] is not None else None,
        exit_ms=row[20],
        exit_edge_id=row[21],
        fee=row[22],
        currency=row[23],
        duration_s=row[24],
        remarks=tuple(Remark(code) for code in (row[25] or "").split(",") if code),
        id_plate=row[26],
        plate_read=row[27],
        adjusted=row[28],
    )


def stay_row(id: int, site: str, vehicle: int, stay: Stay) -> tuple[object, ...]:
    """A stay as its row."""
    return (
        *(id, site, vehicle, *stay.vehicle, stay.plate_view, *stay.entry, stay.entry_order),
        *(stay.entry_ms, stay.entry_marked, stay.entry_forced, stay.edge_id, stay.confidence),
        *(stay.confirmed, stay.closed_by.value if stay.closed_by is not None else None),
        *(stay.closer or (None, None, None)),
        *(stay.exit_ms, stay.exit_edge_id, stay.fee, stay.currency, stay.duration_s),
        *(",".join(stay.remarks) or None, stay.id_plate, stay.plate_read, stay.adjusted),
    )


def new_ids(connection: Connection, count: int) -> list[int]:
    """Numbers for stays that no stay had."""
    rows = connection.execute("SELECT nextval('stay_id') FROM generate_series(1, %s)", (count,))
    return [id for (id,) in rows]


def copy_stays(connection: Connection, rows: Iterable[tuple[object, ...]]) -> None:
    """Store stays of which there is no row."""
    with (
        connection.cursor() as run,
        run.copy(f"COPY stay ({_STAY_ROW}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(_STAY_TYPES)
        for row in rows:
            copy.write_row(row)


def drop_stays(connection: Connection, stays: Iterable[tuple[str, Stay]]) -> None:
    """Take out the rows of these stays of sites, to be stored anew."""
    keys = [(site, *stay.entry, stay.entry_ms) for site, stay in stays]
    if keys:
        connection.execute(
            "DELETE FROM stay s USING unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[],"
            " %s::bigint[]) AS k(site, origin, epoch, seq, entry_ms)"
            " WHERE (s.site, s.origin, s.epoch, s.seq, s.entry_ms)"
            " = (k.site, k.origin, k.epoch, k.seq, k.entry_ms)",
            [[*part] for part in zip(*keys, strict=True)],
        )


def drop_fold(connection: Connection, site: str, vehicles: Iterable[int]) -> dict[Position, int]:
    """Take out all that vehicles come to; the numbers of their stays by entry."""
    nos = [*vehicles]
    connection.execute("DELETE FROM verdicts WHERE vehicle = ANY(%s) AND site = %s", (nos, site))
    connection.execute("DELETE FROM charges WHERE vehicle = ANY(%s) AND site = %s", (nos, site))
    rows = connection.execute(
        "DELETE FROM stay WHERE vehicle = ANY(%s) AND site = %s RETURNING id, origin, epoch, seq",
        (nos, site),
    )
    return {Position(*position): id for id, *position in rows}


def write_verdicts(connection: Connection, judged: Iterable[Judged]) -> None:
    """Store what became of events that made no stay."""
    rows = []
    for site, no, event, verdict in judged:
        facts, key = event.facts, event.vehicle
        assert facts is not None
        assert key is not None
        fee = facts.amount if event.kind == Kind.CHARGED else facts.fee
        currency = facts.currency if fee is not None else None
        rows.append(
            (
                *(site, *event.position, no, verdict.value, *key, facts.edge_id, event.timestamp),
                *(fee, currency),
            )
        )
    with connection.cursor() as run:
        run.executemany(
            "INSERT INTO verdicts VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s)"
            " ON CONFLICT (site, origin, epoch, seq) DO UPDATE SET vehicle = excluded.vehicle,"
            " verdict = excluded.verdict",
            rows,
        )


def write_charges(connection: Connection, site: str, charges: Iterable[tuple[int, Event]]) -> None:
    """Store what people charged afterwards, each with the number of the vehicle that it is of."""
    rows = []
    for no, event in charges:
        facts = event.facts
        assert facts is not None
        rows.append(
            (
                *(site, *event.position, no, facts.camera_type, facts.edge_id, event.timestamp),
                *(facts.amount, facts.currency),
            )
        )
    with connection.cursor() as run:
        run.executemany(
            "INSERT INTO charges VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s)"
            " ON CONFLICT (site, origin, epoch, seq) DO UPDATE SET vehicle = excluded.vehicle",
            rows,
        )


_STAY_VALUES = (
    "t.origin, t.epoch, t.seq, t.camera_type, CASE WHEN t.plate_id NOT LIKE '?%%' THEN t.plate_id"
    " END, t.plate_view, t.edge_id, t.confidence,"
    " t.entry_ms, t.confirmed::integer, t.closed_by, t.exit_origin, t.exit_edge_id, t.exit_ms,"
    " t.fee, t.currency, t.duration_s, t.remarks"
)


def stay_values(connection: Connection, site: str) -> Iterable[StayValues]:
    """All stays of a site as rows: the values of STAY_COLUMNS."""
    with connection.cursor(name="stay_values") as run:
        run.itersize = 5_000
        yield from run.execute(f"SELECT {_STAY_VALUES} FROM stay t WHERE t.site = %s", (site,))


def values_of(stay: Stay) -> StayValues:
    """A stay as the values of STAY_COLUMNS."""
    plate_id = stay.vehicle.plate_id if not is_nameless(stay.vehicle.plate_id) else None
    values = (
        *(*stay.entry, stay.vehicle.camera_type, plate_id, stay.plate_view),
        *(stay.edge_id, stay.confidence),
        *(stay.entry_ms, int(stay.confirmed)),
        stay.closed_by.value if stay.closed_by is not None else None,
        stay.closer.origin if stay.closer is not None else None,
        *(stay.exit_edge_id, stay.exit_ms, stay.fee, stay.currency, stay.duration_s),
        ",".join(stay.remarks) or None,
    )
    assert len(values) == len(STAY_COLUMNS)
    return values
