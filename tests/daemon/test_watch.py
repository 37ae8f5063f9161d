"""Noticing changed configuration files: real files, real inotify, each way that tools write."""

import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.turning import DEADLINE_S, MAIN, NEVER_MS, Turning, mono_ms, turning_in
from zparkd.daemon import watch as module
from zparkd.logs.messages import Message
from zparkd.testbed.loopback import wait_for


@pytest.fixture
def turning(tmp_path: Path) -> Iterator[Turning]:
    with turning_in(tmp_path / "zparkd") as turning:
        yield turning


@pytest.fixture
def by_events_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither stamps nor rescans after the first ones: only inotify can have noticed."""
    monkeypatch.setattr(module, "STAMPS_EVERY_MS", NEVER_MS)
    monkeypatch.setattr(module, "RESCAN_MS", NEVER_MS)


@pytest.fixture
def no_rescan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESCAN_MS", NEVER_MS)


# --- how tools write -------------------------------------------------------------------------


def in_place(folder: Path) -> None:
    (folder / "zparkd.toml").write_text(MAIN + "# more\n")


def appended(folder: Path) -> None:
    with (folder / "zparkd.toml").open("a") as opened:
        opened.write("# more\n")


def temporary_and_rename(folder: Path) -> None:
    temporary = folder / "peers.d" / ".new.toml.4711"
    temporary.write_text('id = "new"\n')
    temporary.rename(folder / "peers.d" / "new.toml")


def renamed_from_elsewhere(folder: Path) -> None:
    (folder.parent / "new.toml").write_text('id = "new"\n')
    (folder.parent / "new.toml").rename(folder / "peers.d" / "new.toml")


def renamed_to_elsewhere(folder: Path) -> None:
    (folder / "peers.d" / "old.toml").rename(folder.parent / "old.toml")


def switched_off_by_name(folder: Path) -> None:
    (folder / "peers.d" / "old.toml").rename(folder / "peers.d" / "old.toml.off")


def removed(folder: Path) -> None:
    (folder / "peers.d" / "old.toml").unlink()


def hard_link(folder: Path) -> None:
    (folder.parent / "new.toml").write_text('id = "new"\n')
    (folder / "peers.d" / "new.toml").hardlink_to(folder.parent / "new.toml")


def sed(folder: Path) -> None:
    subprocess.run(["sed", "-i", "s/old/new/", folder / "peers.d" / "old.toml"], check=True)


def vim(folder: Path) -> None:
    """What one `:w` does where `backup` is on."""
    main = folder / "zparkd.toml"
    swap, backup = folder / ".zparkd.toml.swp", folder / "zparkd.toml~"
    swap.write_bytes(b"b0VIM 9.0")
    (folder / "4913").touch()
    (folder / "4913").unlink()
    main.rename(backup)
    main.write_text(MAIN + "# more\n")
    main.chmod(0o640)
    backup.unlink()
    swap.unlink()


def emacs(folder: Path) -> None:
    """A lock that is a link to nowhere, an automatic copy, a backup."""
    main = folder / "zparkd.toml"
    (folder / ".#zparkd.toml").symlink_to("operator@host.1234:1")
    (folder / "#zparkd.toml#").write_text("half")
    shutil.copy2(main, folder / "zparkd.toml~")
    main.write_text(MAIN + "# more\n")
    (folder / "#zparkd.toml#").unlink()
    (folder / ".#zparkd.toml").unlink()


WRITERS = [
    *(in_place, appended, temporary_and_rename, renamed_from_elsewhere, renamed_to_elsewhere),
    *(switched_off_by_name, removed, hard_link, sed, vim, emacs),
]


@pytest.mark.programs
@pytest.mark.usefixtures("by_events_alone")
@pytest.mark.parametrize("write", WRITERS)
def test_inotify_alone_tells_of_each_way_to_write(
    turning: Turning, write: Callable[[Path], None]
) -> None:
    turning.begin()
    write(turning.folder)
    turning.wait(write.__name__)
    turning.settle()
    assert turning.changes <= 3
    assert not turning.missed()


@pytest.mark.usefixtures("no_rescan")
@pytest.mark.parametrize("write", [in_place, temporary_and_rename, removed, vim])
def test_without_inotify_stamps_tell_of_each_way_to_write(
    turning: Turning, write: Callable[[Path], None]
) -> None:
    turning.settle()
    write(turning.folder)
    turning.wait(write.__name__)


@pytest.mark.parametrize("inotify", [True, False])
def test_a_change_is_noticed_in_time(turning: Turning, inotify: bool) -> None:
    if inotify:
        turning.begin()
    turning.settle()
    started = time.monotonic()
    vim(turning.folder)
    turning.wait("vim's")
    assert time.monotonic() - started < 5.0  # what is promised is 2 s


# --- what is no change -----------------------------------------------------------------------


def read_them(folder: Path) -> None:
    for file in [folder / "zparkd.toml", *folder.glob("*.d/*.toml")] * 20:
        file.read_bytes()


def a_database_beside(folder: Path) -> None:
    for _ in range(50):
        (folder / "zparkd.db-wal").write_bytes(os.urandom(100))
    (folder / "control.sock").touch()


def files_that_are_not_read(folder: Path) -> None:
    for name in (".hidden.toml", "README", "old.toml~", ".old.toml.swp", "4913", "old.toml.bak"):
        (folder / "peers.d" / name).write_text("not TOML")


def the_same_bytes(folder: Path) -> None:
    for file in [folder / "zparkd.toml", *folder.glob("*.d/*.toml")]:
        file.write_bytes(file.read_bytes())


def a_folder(folder: Path) -> None:
    (folder / "backup").mkdir()
    (folder / "backup" / "zparkd.toml").write_text("old")


@pytest.mark.parametrize(
    "write", [read_them, a_database_beside, files_that_are_not_read, the_same_bytes, a_folder]
)
def test_what_changes_no_bytes_is_no_change(
    turning: Turning, write: Callable[[Path], None]
) -> None:
    turning.begin()
    write(turning.folder)
    turning.settle()
    assert turning.changes == 1
    assert not turning.missed()


def test_while_refused_any_sign_counts_and_silence_does_not(turning: Turning) -> None:
    turning.begin()
    the_same_bytes(turning.folder)
    turning.wait("the same bytes", refused=True)
    assert not turning.watch.changed(mono_ms() + module.RESCAN_MS + 1, True)
    a_database_beside(turning.folder)
    turning.settle()
    assert turning.changes == 2


def test_what_was_loaded_when_somebody_asked_is_what_changes_differ_from(
    turning: Turning,
) -> None:
    turning.begin()
    file = turning.peers / "new.toml"
    file.write_text('id = "new"\n')
    turning.wait("it came")
    file.unlink()
    turning.watch.loading()
    file.write_text('id = "new"\n')
    turning.wait("the very same came back")


def test_what_is_loaded_at_the_start_is_no_change_and_what_came_since_is(
    turning: Turning,
) -> None:
    assert not turning.turn()
    in_place(turning.folder)
    turning.watch.start()
    turning.wait("written before the start")


# --- many, and slow --------------------------------------------------------------------------


def test_half_a_file_is_seen_and_then_the_whole(turning: Turning) -> None:
    turning.begin()
    with (turning.peers / "new.toml").open("w") as opened:
        opened.write('id = "ne')
        opened.flush()
        turning.wait("half a file")
        opened.write('w"\naddress')
        opened.flush()
        turning.wait("more of it, though nothing was closed")
        opened.write(' = "127.0.0.1"\n')
    turning.wait("all of it")
    assert not turning.missed()


def test_a_writer_that_never_pauses_is_not_waited_for(turning: Turning) -> None:
    turning.begin()
    started = time.monotonic()
    numbers = iter(range(10**6))

    def write_and_turn() -> bool:
        (turning.peers / "old.toml").write_text(f'id = "{next(numbers)}"\n')
        return turning.turn()

    wait_for("it is noticed while it is written", write_and_turn, DEADLINE_S)
    wait_for("and again", write_and_turn, DEADLINE_S)
    turning.settle()
    assert time.monotonic() - started < DEADLINE_S
    assert not turning.missed()


def test_a_burst_of_files_is_one_change_or_few(turning: Turning) -> None:
    turning.begin()
    for number in range(50):
        (turning.peers / f"central-{number}.toml").write_text(f'id = "central-{number}"\n')
    turning.wait("the burst")
    turning.settle()
    assert turning.changes <= 3
    assert not turning.missed()


def test_several_tools_at_once_are_all_noticed(turning: Turning) -> None:
    def tool(number: int) -> None:
        for round_ in range(30):
            file = turning.peers / f"central-{number}.toml"
            temporary = turning.peers / f".{file.name}.tmp"
            temporary.write_text(f'id = "central-{round_}"\n')
            temporary.rename(file)
            if round_ % 3 == 0:
                file.unlink()

    turning.begin()
    tools = [threading.Thread(target=tool, args=(number,)) for number in range(4)]
    for thread in tools:
        thread.start()
    wait_for(
        "all tools are done",
        lambda: (turning.turn(), not any(thread.is_alive() for thread in tools))[1],
        DEADLINE_S,
    )
    turning.settle()
    assert not turning.missed()


# --- without inotify -------------------------------------------------------------------------


def open_no_more_files(allow: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (allow, hard))


def test_a_system_without_inotify_to_spare_is_said_once_and_files_are_read_anyway(
    turning: Turning, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[Message, dict[str, object]]] = []
    monkeypatch.setattr(module, "say", lambda message, **fields: said.append((message, fields)))
    monkeypatch.setattr(module, "STAMPS_EVERY_MS", NEVER_MS)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    open_no_more_files(3)
    try:
        turning.watch.start()
    finally:
        open_no_more_files(before)
    assert not turning.turn()
    in_place(turning.folder)
    assert not turning.turn()
    later = mono_ms() + module.RESCAN_ALONE_MS
    assert turning.watch.changed(later, False)
    turning.watch.loading()
    removed(turning.folder)
    assert turning.watch.changed(later + module.RESCAN_ALONE_MS, False)
    assert [message for message, _ in said] == [Message.WATCH_FAILED]
    text = Message.WATCH_FAILED.value.text.format_map(said[0][1])
    assert "fs.inotify.max_user_instances" in text
