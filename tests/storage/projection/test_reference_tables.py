"""The tables of reference data: the same rows in whatever order the events came."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.positions import positions
from tests.support.tariffs import flat
from zparkd.core.events.event import Event, Kind, Personal, Position, Stream, write
from zparkd.core.events.payloads import PassChanged, PolicySet, Reference, StaffChanged, TariffSet
from zparkd.core.reference.fold import project_reference
from zparkd.storage.schema import migrations
from zparkd.storage.store import Store

T0_MS = 1_764_646_200_000
ORDERS = st.integers(T0_MS, T0_MS + 3)
CHANGES: st.SearchStrategy[tuple[Kind, Reference, Personal]] = st.one_of(
    st.builds(
        lambda version: (Kind.TARIFF, TariffSet(version, flat(version)), Personal("00")),
        st.integers(1, 3),
    ),
    st.builds(
        lambda version, cars, watch: (
            Kind.POLICY,
            PolicySet(version, {"capacity": {"car": cars}}),
            Personal("00", watch=watch),
        ),
        st.integers(1, 3),
        st.integers(1, 2),
        st.sampled_from([None, {"29A12345": "stolen"}]),
    ),
    st.builds(
        lambda plate, until, removed: (
            Kind.PASS,
            PassChanged("car", "2025-12-01", until, removed),
            Personal("00", plate_id=plate),
        ),
        st.sampled_from(["29A12345", "30F99999"]),
        st.sampled_from(["2025-12-30", "2025-12-31"]),
        st.booleans(),
    ),
    st.builds(
        lambda staff_id, name, removed: (
            Kind.STAFF,
            StaffChanged(removed),
            Personal("00", staff_id=staff_id, name=name),
        ),
        st.sampled_from(["nv01", "nv02"]),
        st.sampled_from(["A", "B", None]),
        st.booleans(),
    ),
)
ORIGINS = st.sampled_from(["central-1", "central-2", "central-3"])


def written(rows: list[tuple[str, int, tuple[Kind, Reference, Personal]]]) -> list[Event]:
    """Events of several origins, each origin's a chain."""
    last: dict[Stream, Event] = {}
    events = []
    for origin, order, (kind, data, personal) in rows:
        stream = Stream(origin, 1)
        before = last.get(stream)
        position = Position(*stream, before.position.seq + 1 if before else 1)
        prev = before.hash if before else ""
        event = write(
            position, kind, timestamp=T0_MS, order=order, prev=prev, facts=data, personal=personal
        )
        last[stream] = event
        events.append(event)
    return events


def tables(store: Store) -> dict[str, Any]:
    """The rows without what is a central's own number."""
    found = {}
    for table in ("tariffs", "policies", "passes", "staff"):
        cursor = store.connection.execute(
            "SELECT o.origin, o.epoch, t.at - (o.no << 40) AS seq, t.*"
            f" FROM {table} t JOIN streams o ON o.no = t.at >> 40"
        )
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
        for row in rows:
            del row["at"]
        found[table] = sorted(map(str, rows))
    tariff = store.reference.tariff()
    found["site_tariff"] = tariff.tariff if tariff is not None else None
    found["site_policy"] = str(store.reference.policy())
    for view in ("site_tariff", "site_policy", "site_passes", "site_staff"):
        found[f"view {view}"] = store.connection.execute(f"SELECT * FROM {view}").fetchall()
    return found


@examples(40)
@given(st.lists(st.tuples(ORIGINS, ORDERS, CHANGES), max_size=12), st.permutations([1, 2, 3]))
def test_the_rows_do_not_depend_on_the_order_of_arrival(
    rows: list[tuple[str, int, tuple[Kind, Reference, Personal]]], turned: list[int]
) -> None:
    events = written(rows)
    found = []
    for origins in ([1, 2, 3], turned):
        store = Store(Path(":memory:"), "central-1", "lot-a", "Asia/Ho_Chi_Minh")
        for number in origins:
            for event in events:
                if event.position.origin == f"central-{number}":
                    store.append(event)
                    store.reference.tariff()  # is asked at any time
                    store.reference.policy()
        store.commit()
        found.append(tables(store))
        counting = project_reference(events)
        tariff = store.reference.tariff()
        assert (tariff.tariff.set_by if tariff is not None else None) == counting.tariff
        policy = store.reference.policy()
        assert (policy.set_by if policy is not None else None) == counting.policy
        for table, wanted in (("passes", counting.passes), ("staff", counting.staff)):
            assert positions(store.connection, table) == sorted(wanted.values())
        store.close()
    assert found[0] == found[1]


def test_an_older_database_gets_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "zparkd.db"
    scripts = [str(script) for script in migrations.MIGRATIONS]
    made = ["CREATE TABLE tariffs" in script for script in scripts].index(True)
    with monkeypatch.context() as older:
        older.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:made])
        with closing(sqlite3.connect(path)) as connection:
            migrations.migrate(connection)
    store = Store(path, "central-1", "lot-a", "Asia/Ho_Chi_Minh")
    assert store.reference.passes() == []
    assert store.reference.tariff() is None
    store.close()
