"""The migration that makes conflicts work for people: who has looked at which. SQL only.

Each conflict is `about` an event: the one that did not count, or the entry of the stay that has the
remark. It is open until that kind was acknowledged for that event; what is about money, until
something was charged on the stay, too. A reader that can price a stay holds one with another entry
open until nothing of its sum is left.
"""

_TIME = """strftime('%Y-%m-%d %H:%M:%S', {ms} / 1000 + (
        SELECT offset_s FROM zone WHERE from_s <= {ms} / 1000 ORDER BY from_s DESC LIMIT 1
    ), 'unixepoch')"""

ACKNOWLEDGED = f"""
CREATE TABLE acks (
    at       INTEGER PRIMARY KEY REFERENCES events (at),
    conflict TEXT NOT NULL,
    origin   TEXT NOT NULL,
    epoch    INTEGER NOT NULL,
    seq      INTEGER NOT NULL
);
CREATE INDEX acks_of ON acks (origin, epoch, seq, conflict);
CREATE INDEX charges_of_stay ON charges (stay) WHERE stay IS NOT NULL;

DROP VIEW conflicts;
CREATE VIEW conflicts_ever AS
WITH judged AS (
    SELECT
        d.verdict, d.instead, d.vehicle, e.at, p.vehicle AS said, e.timestamp, e.edge_id, c.fee,
        c.origin AS names,
        (SELECT o.no << 40 | c.seq FROM streams o
         WHERE o.origin = c.origin AND o.epoch = c.epoch) AS named
    FROM verdicts d JOIN events e ON e.at = d.at LEFT JOIN places p ON p.at = d.at
    LEFT JOIN claims c ON c.at = d.at
    WHERE d.verdict <> 'REPEATED' AND d.verdict <> 'VOIDED'
)
SELECT
    CASE WHEN j.verdict = 'ENDED_NOTHING' AND j.names IS NULL THEN 'UNMATCHED'
         ELSE j.verdict END AS kind,
    v.plate_id,
    v.camera_type,
    eo.origin || '_' || j.timestamp || '_' || coalesce(said.plate_id, v.plate_id) AS event_id,
    so.origin || '_' || s.entry_ms || '_' || coalesce(s.id_plate, sv.plate_id) AS stay,
    eo.origin AS central,
    j.edge_id,
    {_TIME.format(ms="j.timestamp")} AS time,
    j.fee,
    j.timestamp AS time_ms,
    j.at AS about
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
    coalesce(h.exit_ms, h.entry_ms),
    t.entry
FROM sessions t JOIN history h ON h.id = t.id,
     json_each('["' || replace(t.remarks, ',', '","') || '"]') r
WHERE t.remarks IS NOT NULL;

CREATE VIEW conflicts AS
SELECT
    f.*,
    NOT EXISTS (
        SELECT 1 FROM streams o JOIN acks a ON a.origin = o.origin AND a.epoch = o.epoch
        WHERE o.no = f.about >> 40 AND a.seq = f.about & ((1 << 40) - 1) AND a.conflict = f.kind
    ) AND NOT (
        f.kind IN ('OTHER_ENTRY', 'FORCED')
        AND EXISTS (SELECT 1 FROM charges c WHERE c.stay = f.about)
    ) AS open
FROM conflicts_ever f;
"""
