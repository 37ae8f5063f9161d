"""What `zparkd-fleet status` shows: a row a site."""

from collections.abc import Sequence
from typing import Any

from zparkd.fleet.assignment import locked_sites
from zparkd.fleet.site_tables import Connection, now_ms

SILENT_S = 30  # the sender says its heads every ten seconds

_QUERY = """
SELECT s.site, s.sender, s.personal, s.said_ms, s.taken_ms, s.pending, s.signs, s.problem,
    coalesce((SELECT sum(head) FROM streams t WHERE t.site = s.site), 0)::bigint AS events,
    coalesce((SELECT sum(greatest(0, (h.value ->> 2)::bigint - coalesce(t.head, 0)))
        FROM jsonb_array_elements(s.said_heads) h LEFT JOIN streams t ON t.site = s.site
        AND t.origin = h.value ->> 0 AND t.epoch = (h.value ->> 1)::bigint), 0)::bigint AS behind,
    (SELECT count(*) FROM ahead a WHERE a.site = s.site) AS waiting,
    (SELECT count(*) FROM aside a WHERE a.site = s.site) AS aside,
    coalesce((SELECT sum(inside) FROM occupancy o WHERE o.site = s.site), 0)::bigint AS inside
FROM sites s ORDER BY s.site
"""


def site_rows(connection: Connection) -> list[dict[str, Any]]:
    """How far each site is; `problem` is a text, or None."""
    folded = locked_sites(connection)
    cursor = connection.execute(_QUERY)
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    rows = []
    for values in cursor:
        row = dict(zip(names, values, strict=True))
        silent_s = (now_ms() - row.pop("said_ms")) // 1000 if row["said_ms"] else None
        row.pop("taken_ms")
        row["silent_s"] = silent_s
        row["folded"] = row["site"] in folded
        if row["problem"] is None:
            if not row["folded"]:
                row["problem"] = "no zparkd-fleet folds it; start one"
            elif silent_s is None or silent_s > SILENT_S:
                row["problem"] = f"its sender is silent for {silent_s} s; look at zparkd-uplink"
        rows.append(row)
    return rows


def lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The same for people: an aligned table."""
    if not rows:
        return ["no site was heard of yet; start zparkd-uplink at one"]
    head = ("site", "sender", "events", "behind", "waiting", "aside", "inside", "problem")
    table = [head, *(tuple(_text(row[name]) for name in head) for row in rows)]
    widths = [max(len(line[n]) for line in table) for n in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]


def _text(value: object) -> str:
    return "none" if value is None else str(value)
