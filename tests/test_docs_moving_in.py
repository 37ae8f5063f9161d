"""The page about moving in: its SQL for the way back, run on what it is about."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.support.centrals import Driven
from tests.support.old_database import write_old
from zparkd.storage.old_history import old_history
from zparkd.storage.store import Store

PAGE = Path(__file__).resolve().parent.parent / "docs/moving-in.md"
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
SITE = "/var/lib/zparkd/zparkd.db"


def test_the_way_back_takes_along_who_left_and_who_came_since(tmp_path: Path) -> None:
    old, ours = tmp_path / "parking.db", tmp_path / "zparkd.db"
    row = {"exit_time": None, "status": "IN", "camera_type": "car", "fee": 0}
    stayed = {**row, "plate_id": "29A-111.11", "entry_time": "2025-12-02 08:00:00"}
    left = {**row, "plate_id": "29A-222.22", "entry_time": "2025-12-02 09:30:00"}
    write_old(old, [stayed, left])
    central = Driven()
    central.store = Store(ours, "central-1", "lot-a", "Asia/Ho_Chi_Minh")
    central.start()
    with old_history(old, ZONE, central.wall_ms // 1000) as history:
        central.central.old_stays.take(list(history.stays()), ZONE)
        central.store.commit()
    assert central.open(plate_id="29A22222", direction="EXIT")["success"]
    assert central.open(plate_id="30F99999", direction="ENTRY")["success"]
    central.store.close()
    [sql] = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert SITE in sql
    with closing(sqlite3.connect(old.as_uri(), uri=True)) as back:
        for _ in range(2):  # again is the same as once
            back.executescript(sql.replace(SITE, str(ours)))
            back.execute("DETACH z")
        rows = back.execute("SELECT plate_id, status, fee, duration FROM history ORDER BY id")
        assert rows.fetchall() == [
            ("29A-111.11", "IN", 0, None),
            ("29A-222.22", "OUT", 25_000, "1 giờ 0 phút"),
            ("30F99999", "IN", None, None),
        ]
