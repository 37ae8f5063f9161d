"""The form of the fleet's database: numbered migrations, each applied once, in a transaction.

SQL only. Of several processes that start at once one migrates, the others wait for it; a
database that is newer than this software is refused, never guessed at.

    sites      one row a site: what its sender said last, and how far its messages were taken
    streams    one row a stream: its head, and the hash there; the certificate where it is signed
    identities whose keys are believed of each origin
    events     the log, as it came; partitioned by `epoch`, which is when the run began
    ahead      messages after a gap, or after the last signature: they wait here
    aside      messages that are no events, or contradict what is held
    stay       the stays as rows, partitioned by entry; `stays` shows them as `history` does
    verdicts   what became of events that neither opened, confirmed nor ended a stay
    links      events that name an event of another vehicle, or one that is not here yet
    tariffs    every tariff that was ever set
"""

from datetime import UTC, datetime

import psycopg
from psycopg import sql

EPOCHS_A_SECOND = 1 << 20  # an epoch is Unix seconds times this, and chance
_LOCK = (0x7A70, 0)  # of migrations; `assignment` has the others


def _stays(create: str, id_plate: str, more: str = "", *, nameless: str | None = None) -> str:
    """The view `stays`: which plate the readable id of a stay shows, and columns at its end.

    `nameless` says where there is none, since it was erased.
    """
    event_id = f"t.origin || '_' || t.entry_ms || '_' || {id_plate}"
    plate_id = "t.plate_id"
    if nameless is not None:
        position = "t.origin || '_' || t.epoch || '_' || t.seq"
        event_id = f"CASE WHEN {nameless} THEN {position} ELSE {event_id} END"
        plate_id = "CASE WHEN t.plate_id NOT LIKE '?%' THEN t.plate_id END"
    return f"""{create} VIEW stays AS
SELECT
    t.site,
    t.id,
    {event_id} AS event_id,
    t.origin AS source_central,
    t.edge_id,
    'SYNCED' AS sync_status,
    {plate_id} AS plate_id,
    t.plate_view,
    t.camera_type,
    t.origin || '/' || t.edge_id AS camera_name,
    t.confidence,
    CASE WHEN t.closed_by IS NULL THEN 'IN' ELSE 'OUT' END AS status,
    t.confirmed::integer AS confirmed,
    t.closed_by,
    to_char(site_time(t.entry_ms, s.timezone), 'YYYY-MM-DD HH24:MI:SS') AS entry_time,
    to_char(site_time(t.exit_ms, s.timezone), 'YYYY-MM-DD HH24:MI:SS') AS exit_time,
    t.entry_ms,
    t.exit_ms,
    t.exit_origin AS exit_central,
    t.exit_edge_id,
    t.fee,
    CASE WHEN t.duration_s >= 3600
         THEN (t.duration_s / 3600) || ' giờ ' || (t.duration_s / 60 % 60) || ' phút'
         WHEN t.duration_s IS NOT NULL THEN (t.duration_s / 60) || ' phút' END AS duration,
    t.duration_s,
    t.remarks,
    t.currency{more}
FROM stay t JOIN sites s USING (site);
"""


_FIRST = (
    """
CREATE TABLE sites (
    site        text PRIMARY KEY,
    timezone    text NOT NULL DEFAULT 'UTC',
    sender      text,
    personal    text,
    said_ms     bigint,
    said_heads  jsonb,
    stay_sum    jsonb,
    stream_made text,
    stream_seq  bigint NOT NULL DEFAULT 0,
    pending     bigint NOT NULL DEFAULT 0,
    signs       boolean NOT NULL DEFAULT false,
    problem     text,
    fold        integer NOT NULL,
    taken_ms    bigint
);

CREATE TABLE streams (
    site         text NOT NULL,
    origin       text NOT NULL,
    epoch        bigint NOT NULL,
    head         bigint NOT NULL,
    head_hash    text NOT NULL,
    stream_key   bytea,
    identity_key bytea,
    certified    bytea,
    PRIMARY KEY (site, origin, epoch)
);

CREATE TABLE identities (
    site         text NOT NULL,
    origin       text NOT NULL,
    identity_key bytea NOT NULL,
    PRIMARY KEY (site, origin, identity_key)
);

CREATE TABLE events (
    site         text NOT NULL,
    origin       text NOT NULL,
    epoch        bigint NOT NULL,
    seq          bigint NOT NULL,
    kind         text NOT NULL,
    timestamp_ms bigint NOT NULL,
    order_ms     bigint NOT NULL,
    vehicle      bigint,
    act          bigint,
    meant        boolean NOT NULL,
    told         text NOT NULL,
    skeleton     bytea NOT NULL,
    personal     bytea NOT NULL,
    signature    bytea,
    PRIMARY KEY (site, origin, epoch, seq)
) PARTITION BY RANGE (epoch);
CREATE INDEX events_of_vehicle ON events (vehicle, order_ms) WHERE vehicle IS NOT NULL;
CREATE INDEX events_of_act ON events (act) WHERE act IS NOT NULL;
CREATE INDEX events_of_members ON events (site)
    WHERE kind IN ('MEMBER_DISOWNED', 'MEMBER_RESTORED', 'MEMBER_ADMITTED');
CREATE TABLE events_other PARTITION OF events DEFAULT;

CREATE TABLE ahead (
    site    text NOT NULL,
    origin  text NOT NULL,
    epoch   bigint NOT NULL,
    seq     bigint NOT NULL,
    hash    text NOT NULL,
    message bytea NOT NULL,
    PRIMARY KEY (site, origin, epoch, seq, hash)
);

CREATE TABLE aside (
    no      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site    text NOT NULL,
    at_ms   bigint NOT NULL,
    why     text NOT NULL,
    message bytea NOT NULL
);

CREATE SEQUENCE stay_id;
CREATE TABLE stay (
    id           bigint NOT NULL,
    site         text NOT NULL,
    vehicle      bigint NOT NULL,
    camera_type  text NOT NULL,
    plate_id     text NOT NULL,
    plate_view   text,
    origin       text NOT NULL,
    epoch        bigint NOT NULL,
    seq          bigint NOT NULL,
    entry_order  bigint NOT NULL,
    entry_ms     bigint NOT NULL,
    entry_marked boolean NOT NULL,
    entry_forced boolean NOT NULL,
    edge_id      text NOT NULL,
    confidence   double precision,
    confirmed    boolean NOT NULL,
    closed_by    text,
    exit_origin  text,
    exit_epoch   bigint,
    exit_seq     bigint,
    exit_ms      bigint,
    exit_edge_id text,
    fee          bigint,
    currency     text,
    duration_s   bigint,
    remarks      text,
    PRIMARY KEY (site, origin, epoch, seq, entry_ms)
) PARTITION BY RANGE (entry_ms);
CREATE INDEX stay_of_vehicle ON stay (vehicle);
CREATE INDEX stay_inside ON stay (vehicle) WHERE closed_by IS NULL;
CREATE INDEX stay_by_entry ON stay (site, entry_ms);
CREATE INDEX stay_by_exit ON stay (site, exit_ms) WHERE exit_ms IS NOT NULL;
CREATE TABLE stay_other PARTITION OF stay DEFAULT;

CREATE TABLE verdicts (
    site         text NOT NULL,
    origin       text NOT NULL,
    epoch        bigint NOT NULL,
    seq          bigint NOT NULL,
    vehicle      bigint NOT NULL,
    verdict      text NOT NULL,
    camera_type  text NOT NULL,
    plate_id     text NOT NULL,
    edge_id      text NOT NULL,
    timestamp_ms bigint NOT NULL,
    fee          bigint,
    currency     text,
    PRIMARY KEY (site, origin, epoch, seq)
);
CREATE INDEX verdicts_of_vehicle ON verdicts (vehicle);
CREATE INDEX verdicts_by_time ON verdicts (site, timestamp_ms);

CREATE TABLE links (
    site        text NOT NULL,
    origin      text NOT NULL,
    epoch       bigint NOT NULL,
    seq         bigint NOT NULL,
    vehicle     bigint NOT NULL,
    PRIMARY KEY (site, origin, epoch, seq, vehicle)
);
CREATE INDEX links_of_vehicle ON links (vehicle);

CREATE TABLE tariffs (
    site         text NOT NULL,
    origin       text NOT NULL,
    epoch        bigint NOT NULL,
    seq          bigint NOT NULL,
    version      bigint NOT NULL,
    order_ms     bigint NOT NULL,
    timestamp_ms bigint NOT NULL,
    counts       boolean NOT NULL,
    document     jsonb NOT NULL,
    PRIMARY KEY (site, origin, epoch, seq)
);

CREATE VIEW site_tariff AS
SELECT DISTINCT ON (site) site, version, document, origin AS set_by, timestamp_ms AS set_ms
FROM tariffs WHERE counts
ORDER BY site, version DESC, order_ms DESC, origin COLLATE "C" DESC, epoch DESC, seq DESC;

CREATE FUNCTION site_time(ms bigint, zone text) RETURNS timestamp
LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_timestamp(floor(ms / 1000.0)) AT TIME ZONE zone;

"""
    + _stays("CREATE", "t.plate_id")
    + """
-- What was taken for stays that ended, by day, gate and type; site time.
CREATE VIEW revenue AS
SELECT
    t.site,
    site_time(t.exit_ms, s.timezone)::date AS day,
    t.exit_origin AS central,
    t.exit_edge_id AS edge_id,
    t.camera_type,
    t.currency,
    count(*) AS stays,
    sum(t.fee) AS revenue
FROM stay t JOIN sites s USING (site)
WHERE t.fee IS NOT NULL AND t.exit_ms IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6;

CREATE VIEW occupancy AS
SELECT site, camera_type, count(*) AS inside, min(entry_ms) AS longest_since_ms
FROM stay WHERE closed_by IS NULL
GROUP BY 1, 2;

-- What a person should look at: remarked stays, and events that came to nothing.
CREATE VIEW exceptions AS
SELECT
    t.site, r.kind, t.camera_type, t.plate_id, coalesce(t.exit_origin, t.origin) AS central,
    coalesce(t.exit_edge_id, t.edge_id) AS edge_id, coalesce(t.exit_ms, t.entry_ms) AS time_ms,
    t.fee, t.currency
FROM stay t, unnest(string_to_array(t.remarks, ',')) AS r(kind)
WHERE t.remarks IS NOT NULL
UNION ALL
SELECT site, verdict, camera_type, plate_id, origin, edge_id, timestamp_ms, fee, currency
FROM verdicts WHERE verdict <> 'REPEATED';
"""
)

_ADJUSTED = """,
    t.adjusted,
    t.plate_read"""
# What people corrected: which plate the id of a stay shows and which was read, what was adjusted.
_CORRECTED = """
ALTER TABLE stay ADD COLUMN id_plate text;
ALTER TABLE stay ADD COLUMN plate_read text;
ALTER TABLE stay ADD COLUMN adjusted bigint NOT NULL DEFAULT 0;

""" + _stays(
    "CREATE OR REPLACE", "coalesce(t.id_plate, t.plate_id)", ",\n    t.adjusted,\n    t.plate_read"
)

_NAMELESS = "coalesce(t.id_plate, t.plate_id) LIKE '?%'"
# What people had forgotten, and what they charged. All is folded again, for the charges of before.
_ERASED = (
    """
CREATE TABLE erased (
    site         text NOT NULL,
    origin       text COLLATE "C" NOT NULL,
    epoch        bigint NOT NULL,
    seq          bigint NOT NULL,
    plate        text NOT NULL,
    erase_order  bigint NOT NULL,
    erase_origin text COLLATE "C" NOT NULL,
    erase_epoch  bigint NOT NULL,
    erase_seq    bigint NOT NULL,
    PRIMARY KEY (site, origin, epoch, seq)
);

-- Of these events older messages may still say what is personal.
CREATE TABLE outdated (
    site   text NOT NULL,
    origin text NOT NULL,
    epoch  bigint NOT NULL,
    seq    bigint NOT NULL,
    PRIMARY KEY (site, origin, epoch, seq)
);

CREATE TABLE charges (
    site         text NOT NULL,
    origin       text NOT NULL,
    epoch        bigint NOT NULL,
    seq          bigint NOT NULL,
    vehicle      bigint NOT NULL,
    camera_type  text NOT NULL,
    edge_id      text NOT NULL,
    timestamp_ms bigint NOT NULL,
    amount       bigint NOT NULL,
    currency     text NOT NULL,
    PRIMARY KEY (site, origin, epoch, seq)
);
CREATE INDEX charges_of_vehicle ON charges (vehicle);
CREATE INDEX charges_by_time ON charges (site, timestamp_ms);

UPDATE sites SET fold = 0;

"""
    + _stays(
        "CREATE OR REPLACE",
        "coalesce(t.id_plate, t.plate_id)",
        ",\n    t.adjusted,\n    t.plate_read",
        nameless=_NAMELESS,
    )
    + """
CREATE OR REPLACE VIEW revenue AS
SELECT
    p.site,
    site_time(p.ms, s.timezone)::date AS day,
    p.central,
    p.edge_id,
    p.camera_type,
    p.currency,
    sum(p.stays)::bigint AS stays,
    sum(p.amount) AS revenue
FROM (
    SELECT site, greatest(entry_ms, exit_ms) AS ms, exit_origin AS central,
        exit_edge_id AS edge_id, camera_type, currency, 1 AS stays, fee AS amount
    FROM stay WHERE fee IS NOT NULL AND exit_ms IS NOT NULL
    UNION ALL
    SELECT site, timestamp_ms, origin, edge_id, camera_type, currency, 0, amount FROM charges
) p JOIN sites s USING (site)
GROUP BY 1, 2, 3, 4, 5, 6;

CREATE OR REPLACE VIEW exceptions AS
SELECT
    t.site, r.kind, t.camera_type,
    CASE WHEN t.plate_id NOT LIKE '?%' THEN t.plate_id END AS plate_id,
    coalesce(t.exit_origin, t.origin) AS central,
    coalesce(t.exit_edge_id, t.edge_id) AS edge_id, coalesce(t.exit_ms, t.entry_ms) AS time_ms,
    t.fee, t.currency
FROM stay t, unnest(string_to_array(t.remarks, ',')) AS r(kind)
WHERE t.remarks IS NOT NULL
UNION ALL
SELECT site, verdict, camera_type, CASE WHEN plate_id NOT LIKE '?%' THEN plate_id END, origin,
    edge_id, timestamp_ms, fee, currency
FROM verdicts WHERE verdict <> 'REPEATED';
"""
)

MIGRATIONS = (_FIRST, _CORRECTED, _ERASED)


class SchemaError(Exception):
    """The database is not one that this software can use. The text says why, and the way out."""


def migrate(connection: psycopg.Connection) -> None:
    """Bring a database up to this software's form, and make the partitions of the next years.

    Raises SchemaError where it belongs to a newer zparkd-fleet.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", _LOCK)
        connection.execute("CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY)")
        row = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone()
        assert row is not None
        if row[0] > len(MIGRATIONS):
            raise SchemaError(
                f"the database has form {row[0]}, this zparkd-fleet knows {len(MIGRATIONS)};"
                " install the newer zparkd-fleet"
            )
        for number, script in enumerate(MIGRATIONS[row[0] :], row[0] + 1):
            connection.execute(script.encode())
            connection.execute("INSERT INTO migrations VALUES (%s)", (number,))
        year = datetime.now(UTC).year
        for one in range(year - 1, year + 3):
            _partition(connection, "events", one, EPOCHS_A_SECOND)
            _partition(connection, "stay", one, 1000)


def _partition(connection: psycopg.Connection, table: str, year: int, a_second: int) -> None:
    """Make the part of a table for one year, where there is none and the rest has none of it."""
    name = f"{table}_{year}"
    if connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() != (None,):
        return
    first, end = (int(datetime(at, 1, 1, tzinfo=UTC).timestamp()) for at in (year, year + 1))
    column = {"events": "epoch", "stay": "entry_ms"}[table]
    bounds = (first * a_second, end * a_second)
    there = connection.execute(
        sql.SQL("SELECT 1 FROM {} WHERE {} >= %s AND {} < %s LIMIT 1").format(
            sql.Identifier(f"{table}_other"), sql.Identifier(column), sql.Identifier(column)
        ),
        bounds,
    ).fetchone()
    if there is None:
        connection.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
                sql.Identifier(name), sql.Identifier(table), *map(sql.Literal, bounds)
            )
        )
