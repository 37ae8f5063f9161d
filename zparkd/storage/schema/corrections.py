"""The migration that brings corrections: their tables, and the views with what they add. SQL only.

Of a stay `remarks` are what a person should look at, and `notes` what people know of it; readers
see both as one. An event that stands under one vehicle and is of another keeps the readable id that
it had: so `id_plate` of a stay, where its vehicle has another.
"""

_TIME = """strftime('%Y-%m-%d %H:%M:%S', {ms} / 1000 + (
        SELECT offset_s FROM zone WHERE from_s <= {ms} / 1000 ORDER BY from_s DESC LIMIT 1
    ), 'unixepoch')"""
# What stands for a plate that was erased begins with a mark that no plate has. In SQL: a plate as
# it is shown, the readable id of what is at a position, and that of a stay (`s`, `v` and `eo`).
PLATE = "CASE WHEN {plate} NOT LIKE '?%' THEN {plate} END"
READABLE_ID = (
    "CASE WHEN {plate} LIKE '?%' THEN {origin}.origin || '_' || {origin}.epoch || '_' || {seq}"
    " ELSE {origin}.origin || '_' || {ms} || '_' || {plate} END"
)
STAY_ID = READABLE_ID.format(
    plate="coalesce(s.id_plate, v.plate_id)",
    origin="eo",
    seq="(s.entry & ((1 << 40) - 1))",
    ms="s.entry_ms",
)
_STAY_OF_CONFLICT = READABLE_ID.format(
    plate="coalesce(s.id_plate, sv.plate_id)",
    origin="so",
    seq="(s.entry & ((1 << 40) - 1))",
    ms="s.entry_ms",
)
_EVENT_ID = READABLE_ID.format(
    plate="coalesce(said.plate_id, v.plate_id)",
    origin="eo",
    seq="(j.at & ((1 << 40) - 1))",
    ms="j.timestamp",
)
_REMARKS = "CASE WHEN s.remarks IS NULL THEN s.notes ELSE s.remarks || coalesce(',' || s.notes, '')"


_REMARKED = """\
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
    coalesce(h.exit_ms, h.entry_ms)"""


def conflicts_view(
    said: str, joined: str = "", *, name: str = "conflicts", event: str = "", stay: str = ""
) -> str:
    """The view of conflicts; `said` has the vehicle that an event stands under, and is `joined`.

    `event` and `stay` are what more to say of either kind of row.
    """
    return f"""
CREATE VIEW {name} AS
WITH judged AS (
    SELECT
        d.verdict, d.instead, d.vehicle, e.at, {said}.vehicle AS said, e.timestamp, e.edge_id,
        c.fee,
        c.origin AS names,
        (SELECT o.no << 40 | c.seq FROM streams o
         WHERE o.origin = c.origin AND o.epoch = c.epoch) AS named
    FROM verdicts d JOIN events e ON e.at = d.at{joined} LEFT JOIN claims c ON c.at = d.at
    WHERE d.verdict <> 'REPEATED' AND d.verdict <> 'VOIDED'
)
SELECT
    CASE WHEN j.verdict = 'ENDED_NOTHING' AND j.names IS NULL THEN 'UNMATCHED'
         ELSE j.verdict END AS kind,
    {PLATE.format(plate="v.plate_id")} AS plate_id,
    v.camera_type,
    {_EVENT_ID} AS event_id,
    CASE WHEN s.id IS NOT NULL THEN {_STAY_OF_CONFLICT} END AS stay,
    eo.origin AS central,
    j.edge_id,
    {_TIME.format(ms="j.timestamp")} AS time,
    j.fee,
    j.timestamp AS time_ms{event}
FROM judged j
JOIN vehicles v ON v.no = j.vehicle
LEFT JOIN vehicles said ON said.no = j.said
JOIN streams eo ON eo.no = j.at >> 40
-- An entry that does not count leads to the one that does in at most two steps.
LEFT JOIN sessions s ON s.entry = CASE
    WHEN j.verdict = 'SUPERSEDED' THEN j.instead
    WHEN j.verdict IN ('ENDED_NOTHING', 'GAVE_WAY') THEN coalesce(
        (SELECT entry FROM sessions WHERE entry = j.named),
        (SELECT x.entry FROM verdicts a JOIN sessions x ON x.entry = a.instead
         WHERE a.at = j.named),
        (SELECT x.entry FROM verdicts a JOIN verdicts b ON b.at = a.instead
         JOIN sessions x ON x.entry = b.instead WHERE a.at = j.named)) END
LEFT JOIN vehicles sv ON sv.no = s.vehicle
LEFT JOIN streams so ON so.no = s.entry >> 40
UNION ALL
{_REMARKED}{stay}
FROM sessions t JOIN history h ON h.id = t.id,
     json_each('["' || replace(t.remarks, ',', '","') || '"]') r
WHERE t.remarks IS NOT NULL;
"""


_CONFLICTS = conflicts_view("e")
CONFLICTS_BY_PLACES = conflicts_view("p", " LEFT JOIN places p ON p.at = d.at")
CORRECTIONS = f"""
CREATE TABLE corrections (
    at    INTEGER PRIMARY KEY REFERENCES events (at),
    named INTEGER NOT NULL REFERENCES events (at)
);
CREATE INDEX corrections_about ON corrections (named);
CREATE TABLE corrected (vehicle INTEGER PRIMARY KEY REFERENCES vehicles (no));
CREATE TABLE charges (
    at        INTEGER PRIMARY KEY REFERENCES events (at),
    amount    INTEGER NOT NULL,
    currency  TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    stay      INTEGER REFERENCES events (at)
);

CREATE INDEX sessions_by_closer ON sessions (closer) WHERE closer IS NOT NULL;
ALTER TABLE sessions ADD COLUMN notes TEXT;
ALTER TABLE sessions ADD COLUMN id_plate TEXT;
ALTER TABLE sessions ADD COLUMN plate_read TEXT;
ALTER TABLE sessions ADD COLUMN adjusted INTEGER NOT NULL DEFAULT 0;

CREATE TABLE erasures (
    at          INTEGER PRIMARY KEY REFERENCES events (at),
    place       INTEGER NOT NULL,
    salt        TEXT NOT NULL,
    digest      TEXT NOT NULL,
    camera_type TEXT,
    plate       TEXT NOT NULL
);
CREATE INDEX erasures_by_place ON erasures (place) WHERE digest <> '';
CREATE TABLE erased (
    origin TEXT NOT NULL,
    epoch  INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    plate  TEXT NOT NULL,
    erase  INTEGER NOT NULL REFERENCES events (at),
    PRIMARY KEY (origin, epoch, seq)
) WITHOUT ROWID;
CREATE TABLE unnamed (
    at    INTEGER PRIMARY KEY REFERENCES events (at),
    erase INTEGER NOT NULL REFERENCES events (at)
);
CREATE TABLE leaving (vehicle INTEGER PRIMARY KEY);

DROP VIEW conflicts;
DROP VIEW shared_stays;
DROP VIEW history;

CREATE VIEW history AS
SELECT
    s.id,
    {STAY_ID} AS event_id,
    eo.origin AS source_central,
    s.edge_id,
    CASE WHEN eo.origin = (SELECT value FROM meta WHERE key = 'central')
         THEN 'LOCAL' ELSE 'SYNCED' END AS sync_status,
    {PLATE.format(plate="v.plate_id")} AS plate_id,
    s.plate_view,
    v.camera_type,
    eo.origin || '/' || s.edge_id AS camera_name,
    s.confidence,
    CASE WHEN s.closed_by IS NULL THEN 'IN' ELSE 'OUT' END AS status,
    s.confirmed,
    s.closed_by,
    {_TIME.format(ms="s.entry_ms")} AS entry_time,
    {_TIME.format(ms="s.exit_ms")} AS exit_time,
    s.entry_ms,
    s.exit_ms,
    xo.origin AS exit_central,
    s.exit_edge_id,
    s.fee,
    CASE WHEN s.duration_s >= 3600
         THEN (s.duration_s / 3600) || ' giờ ' || (s.duration_s / 60 % 60) || ' phút'
         WHEN s.duration_s IS NOT NULL THEN (s.duration_s / 60) || ' phút' END AS duration,
    s.duration_s,
    {_REMARKS} END AS remarks,
    s.adjusted,
    s.plate_read
FROM sessions s
JOIN vehicles v ON v.no = s.vehicle
JOIN streams eo ON eo.no = s.entry >> 40
LEFT JOIN streams xo ON xo.no = s.closer >> 40;

CREATE VIEW shared_stays AS
SELECT
    s.entry AS at, s.entry & ((1 << 40) - 1) AS seq, v.camera_type,
    {PLATE.format(plate="v.plate_id")} AS plate_id, s.plate_view,
    s.edge_id, s.confidence, s.entry_ms, s.confirmed, s.closed_by, xo.origin AS exit_central,
    s.exit_edge_id, s.exit_ms, s.fee, s.currency, s.duration_s, {_REMARKS} END AS remarks,
    {PLATE.format(plate="s.id_plate")} AS id_plate, s.plate_read, s.adjusted
FROM sessions s
JOIN vehicles v ON v.no = s.vehicle
LEFT JOIN streams xo ON xo.no = s.closer >> 40;

{_CONFLICTS}"""
