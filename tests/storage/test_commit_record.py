"""The mark beside a database: what it says after each end of a run."""

import resource
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zparkd.storage.commit_record import Mark, Said, path_of, read_mark

SAID = Said("0f" * 16, 7, 3, stopped=False)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "zparkd.db"


def test_there_is_none_at_first(database: Path) -> None:
    assert read_mark(database) is None


def test_it_says_what_was_committed_last_and_that_the_daemon_ran(database: Path) -> None:
    mark = Mark(database, SAID)
    assert read_mark(database) == SAID
    mark.committed(7, 4)
    mark.committed(9, 1)
    assert read_mark(database) == SAID._replace(epoch=9, seq=1)
    mark.close()


def test_an_older_event_that_comes_back_changes_nothing(database: Path) -> None:
    mark = Mark(database, SAID)
    mark.committed(7, 2)
    mark.committed(6, 100)
    assert read_mark(database) == SAID
    mark.close()


def test_beside_an_older_copy_it_says_how_far_that_is_until_all_is_back(database: Path) -> None:
    mark = Mark(database, SAID._replace(copied=(7, 1)))
    assert read_mark(database) == SAID._replace(copied=(7, 1))
    mark.committed(7, 2)
    assert read_mark(database) == SAID._replace(copied=(7, 2))
    mark.committed(7, 3)
    assert read_mark(database) == SAID
    mark.close()


def test_what_an_older_copy_records_itself_is_its_newest(database: Path) -> None:
    mark = Mark(database, SAID._replace(copied=(7, 1)))
    mark.committed(9, 1)
    assert read_mark(database) == SAID._replace(epoch=9, seq=1)
    mark.close()


@given(
    st.builds(
        Said,
        st.binary(min_size=16, max_size=16).map(bytes.hex),
        st.integers(0, 10**16 - 1),
        st.integers(0, 10**13 - 1),
        st.booleans(),
        st.none() | st.tuples(st.integers(0, 10**16 - 1), st.integers(0, 10**13 - 1)),
    )
)
def test_what_is_written_is_read(said: Said) -> None:
    with TemporaryDirectory() as folder:
        Mark(Path(folder) / "zparkd.db", said).close()
        assert read_mark(Path(folder) / "zparkd.db") == said


def test_a_stop_in_good_order_is_noted(database: Path) -> None:
    mark = Mark(database, SAID)
    mark.stopped()
    mark.close()
    assert read_mark(database) == SAID._replace(stopped=True)


@pytest.mark.parametrize("text", [b"", b"\0" * 128, b"zparkd-mark 2 x\n", b"\xff" * 500])
def test_one_that_can_not_be_read_says_nothing_and_is_written_anew(database, text) -> None:
    path_of(database).write_bytes(text)
    assert read_mark(database) is None
    Mark(database, SAID).close()
    assert read_mark(database) == SAID


def test_a_mark_that_can_not_be_written_undoes_no_commit(database: Path) -> None:
    mark = Mark(database, SAID)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # no file takes a byte more
    try:
        mark.committed(9, 9)
        mark.stopped()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    mark.close()
    assert read_mark(database) == SAID
