"""The migration that makes conflicts work for people: who has looked at which. SQL only.

Each conflict is `about` an event: the one that did not count, or the entry of the stay that has the
remark. It is open until that kind was acknowledged for that event; what is about money, until
something was charged on the stay, too. A reader that can price a stay holds one with another entry
open until nothing of its sum is left.
"""

from zparkd.storage.schema.corrections import conflicts_view

_EVER = conflicts_view(
    "p",
    " LEFT JOIN places p ON p.at = d.at",
    name="conflicts_ever",
    event=", j.at AS about",
    stay=", t.entry",
)
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
{_EVER}

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
