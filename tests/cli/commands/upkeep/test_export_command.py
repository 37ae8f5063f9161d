"""`zparkctl export`: every event and stay, as other programs read them."""

import csv
import io
import stat
import sys
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Central
from tests.support.vehicles import Book
from zparkd.storage.store import Store


@pytest.fixture
def kept(central: Central) -> Central:
    book = Book()
    entry = book.entry("a", 0)
    book.confirm("a", 5, entry)
    book.exit("b", 3600, names=entry)
    with closing(Store(central.database, "a", "lot-a", "Asia/Ho_Chi_Minh")) as database:
        for event in book.events:
            database.append(event)
        database.commit()
    return central


def test_csv_opens_in_a_spreadsheet_and_has_the_columns_of_history(kept: Central) -> None:
    result = kept.run("export", "history")
    assert result.exit_code == 0, result.stderr
    raw = result.stdout_bytes
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))
    [stay] = orjson.loads(kept.run("history", "--json").stdout)
    assert rows == [{k: "" if v is None else str(v) for k, v in stay.items()}]


def test_a_plate_view_that_looks_like_a_formula_is_text(
    kept: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Store(kept.database, "a", "lot-a", "Asia/Ho_Chi_Minh")) as database:
        database.writing().execute("UPDATE sessions SET plate_view = '=1+1'")
        database.commit()
    assert ",'=1+1," in kept.run("export", "history").stdout


def test_events_as_lines_of_json_hold_both_parts(kept: Central, tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    result = kept.run("export", "events", "--format", "jsonl", "--out", str(out))
    assert (result.exit_code, result.stdout) == (0, f"{out}: 3 events\n")
    rows = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    assert [(row["central"], row["epoch"], row["seq"]) for row in rows] == [
        ("a", 1, 1),
        ("a", 1, 2),
        ("b", 1, 1),
    ]
    assert rows[0]["skeleton"]["type"] == rows[0]["kind"] == "VEHICLE_ENTRY_PENDING"
    assert rows[0]["personal"]["plate_id"] == rows[0]["plate_id"]
    assert rows[2]["fee"] == rows[2]["skeleton"]["data"]["fee"]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert list(tmp_path.glob(".*")) == []


def test_a_file_is_never_overwritten(kept: Central, tmp_path: Path) -> None:
    out = tmp_path / "history.csv"
    out.write_text("mine")
    result = kept.run("export", "history", "--out", str(out), "--json")
    assert result.exit_code == 1
    assert "exists, and is not overwritten" in orjson.loads(result.stdout)["error"]["message"]
    assert out.read_text() == "mine"


def test_how_many_rows_there_are_as_json(kept: Central, tmp_path: Path) -> None:
    out = tmp_path / "history.csv"
    result = kept.run("export", "history", "--out", str(out), "--json")
    assert orjson.loads(result.stdout) == {"success": True, "path": str(out), "rows": 1}
    assert kept.run("export", "history", "--json").exit_code == 2
    assert kept.run("export", "history", "--format", "parquet").exit_code == 2


def test_parquet_without_its_library_names_it(
    kept: Central, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = tmp_path / "history.parquet"
    result = kept.run("export", "history", "--format", "parquet", "--out", str(out))
    assert result.exit_code == 1
    assert "pip install pyarrow" in result.stderr
    assert not out.exists()


@pytest.mark.parametrize("what", ["events", "history"])
def test_parquet_says_the_same_as_json(kept: Central, tmp_path: Path, what: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "out.parquet"
    assert kept.run("export", what, "--format", "parquet", "--out", str(out)).exit_code == 0
    lines = kept.run("export", what, "--format", "jsonl").stdout.splitlines()
    rows = parquet.read_table(out).to_pylist()
    if what == "events":
        for row in rows:
            row["skeleton"], row["personal"] = map(orjson.loads, (row["skeleton"], row["personal"]))
    assert rows == [orjson.loads(line) for line in lines]


def test_a_folder_that_is_not_there_is_named(kept: Central) -> None:
    result = kept.run("export", "history", "--out", str(kept.folder / "no" / "x.csv"))
    assert result.exit_code == 1
    assert "no/x.csv: No such file or directory" in result.stderr
