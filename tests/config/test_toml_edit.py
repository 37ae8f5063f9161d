"""Values of a file that people wrote are changed, and nothing else of it."""

import re
import tomllib
from pathlib import Path

import pytest

from zparkd.config.toml_edit import changed, flat

LISTEN = """\
# our central
[central]
id = "central-1"  # not to change
bus_port = 1

[listen]
address = "127.0.0.1"   # of this machine
bus_port = 9_000
control = "control.sock"
"""


def after(tmp_path: Path, text: str, **values: object) -> str:
    file = tmp_path / "zparkd.toml"
    file.write_bytes(text.encode())
    return changed(file, "listen", values).decode()


def test_only_the_value_changes(tmp_path: Path) -> None:
    assert after(tmp_path, LISTEN, address="10.0.0.1", bus_port=9100) == LISTEN.replace(
        '"127.0.0.1"', '"10.0.0.1"'
    ).replace("9_000", "9100")


@pytest.mark.parametrize(
    "text", ["[listen]\n", "[listen] # here\r\nsync_port = 9001\r\n", "", "x = 1"]
)
def test_what_is_not_written_is_added_where_it_belongs(tmp_path: Path, text: str) -> None:
    new = after(tmp_path, text, address="::1", bus_port=9100)
    listen = tomllib.loads(new.replace("\r\n", "\n"))["listen"]
    assert (listen["address"], listen["bus_port"]) == ("::1", 9100)
    assert all(line in new.splitlines() for line in text.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        'listen = { address = "127.0.0.1" } # all of it\n',
        'listen.bus_port = 9000\nlisten.address = "127.0.0.1"\n',
        '[listen]\naddress = """127.0.0.1"""\n',
        "[central]\nid = 'a'\n\n[listen] # here\n'address' = [\n]\n\n[edges] # there\n",
    ],
)
def test_it_is_changed_however_it_is_written(tmp_path: Path, text: str) -> None:
    new = after(tmp_path, text, address="10.0.0.1")
    wanted = tomllib.loads(text)
    wanted["listen"]["address"] = "10.0.0.1"
    assert tomllib.loads(new) == wanted
    assert re.findall("#.*", new) == re.findall("#.*", text)


@pytest.mark.parametrize(
    ("text", "said"), [("listen = 3\n", "no section"), ("[listen\n", "can't be read")]
)
def test_what_is_no_section_is_left_to_a_person(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        after(tmp_path, text, address="10.0.0.1")
    assert (tmp_path / "zparkd.toml").read_text() == text


@pytest.mark.parametrize("text", ['a"b\\c', "\x7f\x01\n", "Đường", "'''", "\ud800"])
def test_any_text_comes_back_as_it_was(text: str) -> None:
    read = tomllib.loads(
        flat({"id": text, "port": 1, "keys": [text], "yes": True, "no": None}).decode()
    )
    said = text.encode(errors="replace").decode()
    assert read == {"id": said, "port": 1, "keys": [said], "yes": True}
