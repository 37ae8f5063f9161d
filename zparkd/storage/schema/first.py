"""The first form of the database: the tables and views that all migrations start from. SQL only."""

FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE zone (from_s INTEGER PRIMARY KEY, offset_s INTEGER NOT NULL);

CREATE TABLE streams (
    no        INTEGER PRIMARY KEY,
    origin    TEXT NOT NULL,
    epoch     INTEGER NOT NULL,
    head      INTEGER NOT NULL,
    head_hash TEXT NOT NULL,
    UNIQUE (origin, epoch)
);

CREATE TABLE vehicles (
    no          INTEGER PRIMARY KEY,
    plate_id    TEXT NOT NULL,
    camera_type TEXT NOT NULL,
    UNIQUE (plate_id, camera_type)
);

CREATE TABLE events (
    at         INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL,
    timestamp  INTEGER NOT NULL,
    place      INTEGER NOT NULL,
    vehicle    INTEGER REFERENCES vehicles (no),
    edge_id    TEXT,
    request_id TEXT,
    skeleton   BLOB NOT NULL,
    sealed     BLOB NOT NULL
);
CREATE INDEX events_of_vehicle ON events (vehicle, place, timestamp) WHERE vehicle IS NOT NULL;
CREATE INDEX events_of_request ON events (edge_id, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX opens_of_edge ON events (edge_id, place)
    WHERE kind IN ('VEHICLE_ENTRY_PENDING', 'VEHICLE_EXIT', 'BARRIER_MANUAL_OPEN');

CREATE TABLE waiting (
    origin TEXT NOT NULL,
    epoch  INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL REFERENCES events (at),
    PRIMARY KEY (origin, epoch, seq, at)
) WITHOUT ROWID;

CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    vehicle      INTEGER NOT NULL REFERENCES vehicles (no),
    entry        INTEGER NOT NULL UNIQUE REFERENCES events (at),
    entry_order  INTEGER NOT NULL,
    entry_ms     INTEGER NOT NULL,
    entry_marked INTEGER NOT NULL,
    entry_forced INTEGER NOT NULL,
    edge_id      TEXT NOT NULL,
    plate_view   TEXT,
    confidence   REAL,
    confirmed    INTEGER NOT NULL,
    closed_by    TEXT,
    closer       INTEGER REFERENCES events (at),
    exit_ms      INTEGER,
    exit_edge_id TEXT,
    fee          INTEGER,
    currency     TEXT,
    duration_s   INTEGER,
    remarks      TEXT
);
CREATE INDEX sessions_of_vehicle ON sessions (vehicle, entry_order);
CREATE INDEX sessions_inside ON sessions (vehicle) WHERE closed_by IS NULL;
CREATE INDEX sessions_by_time ON sessions (entry_ms);
CREATE INDEX sessions_remarked ON sessions (entry) WHERE remarks IS NOT NULL;

CREATE TABLE verdicts (
    at      INTEGER PRIMARY KEY REFERENCES events (at),
    vehicle INTEGER NOT NULL REFERENCES vehicles (no),
    verdict TEXT NOT NULL,
    instead INTEGER REFERENCES events (at)
);
CREATE INDEX verdicts_of_vehicle ON verdicts (vehicle);

CREATE TABLE peers (
    id         TEXT PRIMARY KEY,
    synced_ms  INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    heads      TEXT
) WITHOUT ROWID;

CREATE TABLE set_aside (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    wall_ms INTEGER NOT NULL,
    message TEXT NOT NULL
);

CREATE VIEW history AS
SELECT
    s.id,
    eo.origin || '_' || s.entry_ms || '_' || v.plate_id AS event_id,
    eo.origin AS source_central,
    s.edge_id,
    CASE WHEN eo.origin = (SELECT value FROM meta WHERE key = 'central')
         THEN 'LOCAL' ELSE 'SYNCED' END AS sync_status,
    v.plate_id,
    s.plate_view,
    v.camera_type,
    eo.origin || '/' || s.edge_id AS camera_name,
    s.confidence,
    CASE WHEN s.closed_by IS NULL THEN 'IN' ELSE 'OUT' END AS status,
    s.confirmed,
    s.closed_by,
    strftime('%Y-%m-%d %H:%M:%S', s.entry_ms / 1000 + (
        SELECT offset_s FROM zone WHERE from_s <= s.entry_ms / 1000 ORDER BY from_s DESC LIMIT 1
    ), 'unixepoch') AS entry_time,
    strftime('%Y-%m-%d %H:%M:%S', s.exit_ms / 1000 + (
        SELECT offset_s FROM zone WHERE from_s <= s.exit_ms / 1000 ORDER BY from_s DESC LIMIT 1
    ), 'unixepoch') AS exit_time,
    s.entry_ms,
    s.exit_ms,
    xo.origin AS exit_central,
    s.exit_edge_id,
    s.fee,
    CASE WHEN s.duration_s >= 3600
         THEN (s.duration_s / 3600) || ' giờ ' || (s.duration_s / 60 % 60) || ' phút'
         WHEN s.duration_s IS NOT NULL THEN (s.duration_s / 60) || ' phút' END AS duration,
    s.duration_s,
    s.remarks
FROM sessions s
JOIN vehicles v ON v.no = s.vehicle
JOIN streams eo ON eo.no = s.entry >> 40
LEFT JOIN streams xo ON xo.no = s.closer >> 40;

CREATE VIEW p2p_sync_state AS
SELECT
    id AS peer_central_id,
    synced_ms AS last_sync_timestamp,
    CASE WHEN synced_ms > 0 THEN strftime('%Y-%m-%d %H:%M:%S', synced_ms / 1000 + (
        SELECT offset_s FROM zone WHERE from_s <= synced_ms / 1000 ORDER BY from_s DESC LIMIT 1
    ), 'unixepoch') END AS last_sync_time,
    strftime('%Y-%m-%d %H:%M:%S', updated_ms / 1000 + (
        SELECT offset_s FROM zone WHERE from_s <= updated_ms / 1000 ORDER BY from_s DESC LIMIT 1
    ), 'unixepoch') AS updated_at
FROM peers;
"""
