"""The database's form: numbered migrations, applied when it is opened.

SQL only. `PRAGMA user_version` holds the number of the last migration applied; a database
that is newer than this software is refused, never guessed at.

    streams    one row a stream: its head, and the hash of the event there
    events     the log: `at` is the stream's number << 40 | seq
    arrivals   the events, numbered in the order in which they came to be held here
    projected  up to which arrival all below is what the events come to
    places     the events of vehicles: under which each stands, and at which place in its past
    acts       the events that edges caused, by a digest of edge and request
    opens      the events that an edge opened a barrier for, by their arrival
    waiting    events that name an entry which is not here yet
    unsettled  vehicles that are to be folded again, and from which place on
    unread     events that say nothing to this version, and rereading: those that another version
               kept so, and that are to be read again
    releases   entries for which more waits than a turn could place
    vehicles   (camera_type, plate_id) <-> a number
    sessions   the stays that the events come to: a projection, and so are
    verdicts   what became of events that neither opened, confirmed nor ended a stay
    claims     fee or amount of events that wait, or came to nothing, and what they name
    corrections, corrected, charges    see correction_table
    tariffs    every tariff that was ever set; passes and staff: the last change of each entry
    policies   every policy that was ever set, its watch list apart
    changes    of passes and staff: all of them, by the entry that they change
    words      the events in which centrals speak of each other
    cuts       of streams of centrals that are disowned: how far their events count here
    peers      how far all that each configured peer has was here when that was last looked at
    peer_heads what each of them held when last heard
    edges      when each edge was last heard
    outages    when a peer was lost, back, and all it has was here, and the newest arrival then
    set_aside  messages that could not be handled, the newest
    signatures   of heads, by the key of their stream
    certificates whose key the key of a stream is
    pinned       the identities that were ever believed of each origin
    forks        streams with two events at one position, and the proof of it
    unprojected  events on which the rules blew up, and how: they are kept, and change nothing
    configured   the peers with keys that there are, and those that were removed
    zone       the UTC offsets of the site's time zone, so that SQL can show site time
    meta       whose database this is
    history, conflicts, p2p_sync_state, site_tariff, site_policy, site_passes, site_staff
               views for readers
    shared_stays    a stay as it is the same on all centrals: what they compare
"""

import sqlite3

from zparkd.storage.schema.acks import ACKNOWLEDGED
from zparkd.storage.schema.corrections import CONFLICTS_BY_PLACES, CORRECTIONS
from zparkd.storage.schema.first import FIRST
from zparkd.storage.schema.moving import Told, move

APPLICATION_ID = 0x7A70726B  # "zprk"

# The order in which events arrived here: what a reader that was away has not seen yet. A number is
# never given twice.
_ARRIVALS = """
CREATE TABLE arrivals (no INTEGER PRIMARY KEY, at INTEGER NOT NULL REFERENCES events (at));
INSERT INTO arrivals (at) SELECT at FROM events ORDER BY timestamp, at;
CREATE TRIGGER event_arrived AFTER INSERT ON events BEGIN
    INSERT INTO arrivals (at) VALUES (new.at);
END;
"""
_SHARED_STAYS = """
CREATE VIEW shared_stays AS
SELECT
    s.entry AS at, s.entry & ((1 << 40) - 1) AS seq, v.camera_type, v.plate_id, s.plate_view,
    s.edge_id, s.confidence, s.entry_ms, s.confirmed, s.closed_by, xo.origin AS exit_central,
    s.exit_edge_id, s.exit_ms, s.fee, s.currency, s.duration_s, s.remarks
FROM sessions s
JOIN vehicles v ON v.no = s.vehicle
LEFT JOIN streams xo ON xo.no = s.closer >> 40;
"""

_REFERENCE = """
CREATE TABLE tariffs (
    at        INTEGER PRIMARY KEY REFERENCES events (at),
    version   INTEGER NOT NULL,
    place     INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    document  TEXT NOT NULL
);

CREATE TABLE passes (
    plate_id    TEXT NOT NULL,
    camera_type TEXT NOT NULL,
    valid_from  TEXT NOT NULL,
    valid_until TEXT NOT NULL,
    holder      TEXT,
    removed     INTEGER NOT NULL,
    at          INTEGER NOT NULL REFERENCES events (at),
    place       INTEGER NOT NULL,
    timestamp   INTEGER NOT NULL,
    PRIMARY KEY (plate_id, camera_type, valid_from)
) WITHOUT ROWID;

CREATE TABLE staff (
    staff_id  TEXT PRIMARY KEY,
    name      TEXT,
    removed   INTEGER NOT NULL,
    at        INTEGER NOT NULL REFERENCES events (at),
    place     INTEGER NOT NULL,
    timestamp INTEGER NOT NULL
) WITHOUT ROWID;

CREATE VIEW site_tariff AS
SELECT t.version, t.document, o.origin AS set_by, t.timestamp AS set_ms
FROM tariffs t JOIN streams o ON o.no = t.at >> 40
ORDER BY t.version DESC, t.place DESC, o.origin DESC, o.epoch DESC, t.at DESC LIMIT 1;

CREATE VIEW site_passes AS
SELECT p.plate_id, p.camera_type, p.valid_from, p.valid_until, p.holder,
       o.origin AS changed_by, p.timestamp AS changed_ms
FROM passes p JOIN streams o ON o.no = p.at >> 40
WHERE NOT p.removed;

CREATE VIEW site_staff AS
SELECT s.staff_id, s.name, o.origin AS changed_by, s.timestamp AS changed_ms
FROM staff s JOIN streams o ON o.no = s.at >> 40
WHERE NOT s.removed;
"""

_OUTAGES = """
CREATE TABLE outages (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    peer    TEXT NOT NULL,
    why     TEXT NOT NULL,
    lost_ms INTEGER NOT NULL,
    lost_no INTEGER NOT NULL,
    back_ms INTEGER,
    over_ms INTEGER,
    over_no INTEGER
);
CREATE INDEX outages_under_way ON outages (peer) WHERE over_ms IS NULL;
"""

_SIGNATURES = """
CREATE TABLE signatures (
    at        INTEGER PRIMARY KEY REFERENCES events (at),
    signature BLOB NOT NULL
);

CREATE TABLE certificates (
    stream       INTEGER PRIMARY KEY REFERENCES streams (no),
    stream_key   BLOB NOT NULL,
    identity_key BLOB NOT NULL,
    signature    BLOB NOT NULL
);

CREATE TABLE pinned (origin TEXT PRIMARY KEY, identity_key BLOB NOT NULL) WITHOUT ROWID;
"""

# What a lane opened for last is told by arrival, not by stamps, which a clock may have got wrong.
_OPENS_ARRIVED = """
ALTER TABLE arrivals ADD COLUMN opened_by TEXT;
DROP INDEX opens_of_edge;
DROP TRIGGER event_arrived;
CREATE TRIGGER event_arrived AFTER INSERT ON events BEGIN
    INSERT INTO arrivals (at, opened_by) VALUES (new.at, CASE WHEN new.kind IN (
        'VEHICLE_ENTRY_PENDING', 'VEHICLE_EXIT', 'BARRIER_MANUAL_OPEN') THEN new.edge_id END);
END;
UPDATE arrivals SET opened_by = (
    SELECT e.edge_id FROM events e WHERE e.at = arrivals.at AND e.kind IN (
        'VEHICLE_ENTRY_PENDING', 'VEHICLE_EXIT', 'BARRIER_MANUAL_OPEN'));
CREATE INDEX opens_arrived ON arrivals (opened_by, no) WHERE opened_by IS NOT NULL;
"""

# A row a stream, so that what is written of peers is what changed.
_PEER_HEADS = """
CREATE TABLE peer_heads (
    peer   TEXT NOT NULL,
    origin TEXT NOT NULL,
    epoch  INTEGER NOT NULL,
    head   INTEGER NOT NULL,
    PRIMARY KEY (peer, origin, epoch)
) WITHOUT ROWID;
INSERT OR IGNORE INTO peer_heads
    SELECT p.id, json_extract(h.value, '$[0]'), json_extract(h.value, '$[1]'),
           json_extract(h.value, '$[2]')
    FROM peers p, json_each(p.heads) h WHERE p.heads IS NOT NULL;
ALTER TABLE peers DROP COLUMN heads;
"""

# What an event that did not count says is kept as core read it. SQL would read other JSON than core
# does where a member stands twice, and fail where core passes over what is none.
_CLAIMS = """
CREATE TABLE claims (
    at     INTEGER PRIMARY KEY REFERENCES events (at),
    fee    INTEGER,
    origin TEXT,
    epoch  INTEGER,
    seq    INTEGER
);
CREATE TRIGGER verdict_gone AFTER DELETE ON verdicts BEGIN
    DELETE FROM claims WHERE at = old.at;
END;
INSERT INTO claims
SELECT e.at, json_extract(e.text, '$.data.fee'), json_extract(e.text, '$.data.names[0]'),
       json_extract(e.text, '$.data.names[1]'), json_extract(e.text, '$.data.names[2]')
FROM (SELECT v.at, CAST(skeleton AS TEXT) AS text FROM verdicts v JOIN events ON events.at = v.at
      WHERE v.verdict IN ('WAITING', 'ENDED_NOTHING')) e
WHERE json_valid(e.text);
DROP VIEW IF EXISTS conflicts;
CREATE VIEW conflicts AS
WITH judged AS (
    SELECT
        d.verdict, d.instead, d.vehicle, e.at, e.timestamp, e.edge_id, c.fee, c.origin AS names,
        (SELECT o.no << 40 | c.seq FROM streams o
         WHERE o.origin = c.origin AND o.epoch = c.epoch) AS named
    FROM verdicts d JOIN events e ON e.at = d.at LEFT JOIN claims c ON c.at = d.at
    WHERE d.verdict <> 'REPEATED'
)
SELECT
    CASE WHEN j.verdict = 'ENDED_NOTHING' AND j.names IS NULL THEN 'UNMATCHED'
         ELSE j.verdict END AS kind,
    v.plate_id,
    v.camera_type,
    eo.origin || '_' || j.timestamp || '_' || v.plate_id AS event_id,
    so.origin || '_' || s.entry_ms || '_' || v.plate_id AS stay,
    eo.origin AS central,
    j.edge_id,
    strftime('%Y-%m-%d %H:%M:%S', j.timestamp / 1000 + (
        SELECT offset_s FROM zone WHERE from_s <= j.timestamp / 1000 ORDER BY from_s DESC LIMIT 1
    ), 'unixepoch') AS time,
    j.fee,
    j.timestamp AS time_ms
FROM judged j
JOIN vehicles v ON v.no = j.vehicle
JOIN streams eo ON eo.no = j.at >> 40
-- An entry that does not count leads to the one that does in at most two steps.
LEFT JOIN sessions s ON s.entry = CASE j.verdict
    WHEN 'SUPERSEDED' THEN j.instead
    WHEN 'ENDED_NOTHING' THEN coalesce(
        (SELECT entry FROM sessions WHERE entry = j.named),
        (SELECT x.entry FROM verdicts a JOIN sessions x ON x.entry = a.instead
         WHERE a.at = j.named),
        (SELECT x.entry FROM verdicts a JOIN verdicts b ON b.at = a.instead
         JOIN sessions x ON x.entry = b.instead WHERE a.at = j.named)) END
LEFT JOIN streams so ON so.no = s.entry >> 40
UNION ALL
SELECT
    r.value,
    h.plate_id,
    h.camera_type,
    h.event_id,
    h.event_id,
    coalesce(h.exit_central, h.source_central),
    coalesce(h.exit_edge_id, h.edge_id),
    coalesce(h.exit_time, h.entry_time),
    h.fee,
    coalesce(h.exit_ms, h.entry_ms)
FROM history h, json_each('["' || replace(h.remarks, ',', '","') || '"]') r
WHERE h.remarks IS NOT NULL;
"""

_REFUSALS = """
ALTER TABLE pinned RENAME TO pinned_once;
CREATE TABLE pinned (
    origin       TEXT NOT NULL,
    identity_key BLOB NOT NULL,
    PRIMARY KEY (origin, identity_key)
) WITHOUT ROWID;
INSERT INTO pinned SELECT origin, identity_key FROM pinned_once;
DROP TABLE pinned_once;

CREATE TABLE forks (
    origin TEXT NOT NULL,
    epoch  INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    proof  BLOB NOT NULL,
    PRIMARY KEY (origin, epoch)
) WITHOUT ROWID;

CREATE TABLE unprojected (at INTEGER PRIMARY KEY REFERENCES events (at), fault TEXT NOT NULL);
"""

# A change of a list by the entry that it is of: what counts where the last one counts no more.
_MEMBERS = """
CREATE TABLE words (at INTEGER PRIMARY KEY REFERENCES events (at));

CREATE TABLE cuts (stream INTEGER PRIMARY KEY, up_to INTEGER NOT NULL);

CREATE TABLE changes (
    entry TEXT NOT NULL,
    at    INTEGER NOT NULL REFERENCES events (at),
    PRIMARY KEY (entry, at)
) WITHOUT ROWID;

INSERT INTO changes
SELECT CASE kind
    WHEN 'STAFF_CHANGED' THEN 'staff ' || json_extract(personal, '$.staff_id')
    ELSE 'pass ' || json_extract(personal, '$.plate_id') || ' '
        || json_extract(said, '$.data.camera_type') || ' '
        || json_extract(said, '$.data.valid_from') END AS entry, at
FROM (
    SELECT at, kind, CAST(skeleton AS TEXT) AS said,
        CASE WHEN json_valid(CAST(sealed AS TEXT)) THEN CAST(sealed AS TEXT) END AS personal
    FROM events
    WHERE kind IN ('PASS_CHANGED', 'STAFF_CHANGED') AND json_valid(CAST(skeleton AS TEXT))
)
WHERE entry IS NOT NULL;
"""

_EDGES = """
CREATE TABLE edges (edge_id TEXT PRIMARY KEY, seen_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX verdicts_to_look_at ON verdicts (verdict) WHERE verdict <> 'REPEATED';
DROP INDEX sessions_remarked;
CREATE INDEX sessions_remarked ON sessions (remarks) WHERE remarks IS NOT NULL;
"""

# What of the projection is left to do: a turn does only so much of it.
_UNSETTLED = """
CREATE TABLE unsettled (
    vehicle INTEGER PRIMARY KEY REFERENCES vehicles (no),
    place   INTEGER NOT NULL
);
CREATE TABLE releases (entry INTEGER PRIMARY KEY REFERENCES events (at));
DROP INDEX events_of_request;
CREATE INDEX events_of_request ON events (edge_id, request_id, vehicle)
    WHERE request_id IS NOT NULL;
"""

# What this version can't read is kept for the next one.
_UNREAD = """
CREATE TABLE unread (at INTEGER PRIMARY KEY REFERENCES events (at));
CREATE TABLE rereading (at INTEGER PRIMARY KEY REFERENCES events (at));
INSERT INTO unread
SELECT e.at FROM events e
WHERE e.vehicle IS NULL AND e.edge_id IS NULL
  AND NOT EXISTS (SELECT 1 FROM tariffs t WHERE t.at = e.at)
  AND NOT EXISTS (SELECT 1 FROM changes c WHERE c.at = e.at)
  AND NOT EXISTS (SELECT 1 FROM words w WHERE w.at = e.at)
  AND NOT EXISTS (SELECT 1 FROM unprojected u WHERE u.at = e.at)
  AND NOT EXISTS (SELECT 1 FROM cuts c WHERE c.stream = e.at >> 40);
"""

_ADMISSION = """
CREATE TABLE configured (origin TEXT PRIMARY KEY, removed INTEGER NOT NULL) WITHOUT ROWID;
"""

# What people did, found without going through millions of passages. The words of the condition are
# those of the reader: SQLite uses the index for no others.
_ACTS_OF_PEOPLE = """
CREATE INDEX acts_of_people ON events (timestamp)
    WHERE kind NOT IN ('VEHICLE_ENTRY_PENDING', 'VEHICLE_ENTRY_CONFIRMED', 'VEHICLE_EXIT',
                       'VEHICLE_SEEN') OR instr(skeleton, x'22666f7263656422');
"""

_POLICY = """
CREATE TABLE policies (
    at        INTEGER PRIMARY KEY REFERENCES events (at),
    version   INTEGER NOT NULL,
    place     INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    document  TEXT NOT NULL,
    watch     TEXT
);

CREATE VIEW site_policy AS
SELECT p.version, p.document, p.watch, o.origin AS set_by, p.timestamp AS set_ms
FROM policies p JOIN streams o ON o.no = p.at >> 40
ORDER BY p.version DESC, p.place DESC, o.origin DESC, o.epoch DESC, p.at DESC LIMIT 1;
"""

# Who left in a time. And an entry that no camera saw is an act of a person too.
_INDEX_OF_ACTS = """
CREATE INDEX acts_of_people ON events (timestamp)
    WHERE kind NOT IN ('VEHICLE_ENTRY_PENDING', 'VEHICLE_ENTRY_CONFIRMED', 'VEHICLE_EXIT',
                       'VEHICLE_SEEN') OR instr(skeleton, x'22666f7263656422')
       OR instr(skeleton, x'2262795f68616e6422');
"""
_REPORTS = f"""
CREATE INDEX sessions_by_exit ON sessions (exit_ms, entry_ms) WHERE exit_ms IS NOT NULL;
DROP INDEX acts_of_people;
{_INDEX_OF_ACTS}"""

# The log by itself: what its events come to is in tables of its own, which follow it. The rows of
# the log move from one table to the other in steps: see `moving`.
_LOG_ALONE = """
PRAGMA legacy_alter_table = ON;
DROP VIEW conflicts;
DROP TRIGGER event_arrived;
DROP INDEX events_of_vehicle;
DROP INDEX events_of_request;
DROP INDEX acts_of_people;
ALTER TABLE events RENAME TO events_before;
ALTER TABLE arrivals RENAME TO arrivals_before;
PRAGMA legacy_alter_table = OFF;
CREATE TABLE events (
    at         INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL,
    timestamp  INTEGER NOT NULL,
    edge_id    TEXT,
    request_id TEXT,
    skeleton   BLOB NOT NULL,
    sealed     BLOB NOT NULL
);
CREATE TABLE arrivals (no INTEGER PRIMARY KEY, at INTEGER NOT NULL REFERENCES events (at));
CREATE TABLE projected (up_to INTEGER NOT NULL);
CREATE TABLE places (
    at        INTEGER PRIMARY KEY REFERENCES events (at),
    vehicle   INTEGER NOT NULL REFERENCES vehicles (no),
    place     INTEGER NOT NULL,
    timestamp INTEGER NOT NULL
);
CREATE INDEX places_of_vehicle ON places (vehicle, place, timestamp);
CREATE TABLE acts (
    act INTEGER NOT NULL,
    at  INTEGER NOT NULL REFERENCES events (at),
    PRIMARY KEY (act, at)
) WITHOUT ROWID;
CREATE TABLE opens (
    edge_id TEXT NOT NULL,
    no      INTEGER NOT NULL REFERENCES arrivals (no),
    at      INTEGER NOT NULL REFERENCES events (at),
    PRIMARY KEY (edge_id, no)
) WITHOUT ROWID;
"""

MIGRATIONS = (
    FIRST,
    _ARRIVALS,
    _SHARED_STAYS,
    _REFERENCE,
    _OUTAGES,
    _SIGNATURES,
    _OPENS_ARRIVED,
    _PEER_HEADS,
    _CLAIMS,
    _REFUSALS,
    _MEMBERS,
    _EDGES,
    _UNSETTLED,
    _UNREAD,
    _ADMISSION,
    _ACTS_OF_PEOPLE,
    _POLICY,
    _REPORTS,
    CORRECTIONS,
    f"{_LOG_ALONE}{_INDEX_OF_ACTS}{CONFLICTS_BY_PLACES}",
    move,
    ACKNOWLEDGED,
)


class SchemaError(Exception):
    """The database is not one that this software can use. The text says why, and the way out."""


def migrate(connection: sqlite3.Connection, told: Told | None = None) -> None:
    """Bring a database up to this software's schema, each step in one transaction, or in several.

    What is broken off goes on with the next start. One that takes long has it `told` how far it
    is. Raises SchemaError where it belongs to something else, or to a newer zparkd.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and (application or tables):
        raise SchemaError("is no database of zparkd; name another file in storage.path")
    if version > len(MIGRATIONS):
        raise SchemaError(
            f"has schema {version}, this zparkd knows {len(MIGRATIONS)}; install the newer zparkd"
        )
    for number, step in enumerate(MIGRATIONS[version:], version + 1):
        script = step if isinstance(step, str) else step(connection, told)
        connection.executescript(
            f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {APPLICATION_ID};"
            f" PRAGMA user_version = {number}; COMMIT;"
        )
