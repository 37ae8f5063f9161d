"""`etc/` names every key of the configuration, with its default, and can be read as it is."""

import re
import shutil
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from zparkd.config.load import load
from zparkd.config.schema import EDGE_KEYS, PEER_KEYS, SECTIONS, Key

ETC = Path(__file__).resolve().parents[2] / "etc"
MAIN = ETC / "zparkd.toml"
PEER = ETC / "peers.d" / "central-2.toml.example"
EDGE = ETC / "edges.d" / "edge-1.toml.example"
# Keys without a default of their own; those that follow from another have it in the file.
FOLLOWING = {"sync_port": 9001, "edge_port": 9002}
NO_DEFAULT = {
    "ca_file",
    "credentials_file",
    "personal_key_file",
    "secret_key_file",
    "servers",
    "public_key",
    "next_public_key",
    "direction",
    "camera_type",
    "url",
    "token_file",
}
SHOWN = re.compile(r"#(\w+ = .*)")


def written(file: Path) -> dict[str, Any]:
    """What the file sets."""
    return tomllib.loads(file.read_text("utf-8"))


def shown(file: Path) -> dict[str, Any]:
    """What its lines of the form `#key = value` say."""
    lines = file.read_text("utf-8").splitlines()
    kept = [
        commented[1] if (commented := SHOWN.match(line)) else line
        for line in lines
        if line.startswith("[") or SHOWN.match(line)
    ]
    return tomllib.loads("\n".join(kept))


def plain(value: object) -> object:
    """A default as TOML has it."""
    return str(value) if isinstance(value, Path | StrEnum) else value


def check(keys: Mapping[str, Key], set_: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    assert set_.keys() | defaults.keys() == keys.keys()
    for name, key in keys.items():
        key.parse((defaults | set_)[name])
        if key.example:
            assert name in set_, "a required key is written"
            assert name not in defaults
        elif key.default not in (None, ()):
            assert defaults[name] == plain(key.default)
            assert type(defaults[name]) is type(plain(key.default))
        elif name in FOLLOWING:
            assert defaults[name] == FOLLOWING[name]
        else:
            assert name in NO_DEFAULT


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_of_the_main_file_is_there_with_its_default(section: str) -> None:
    assert shown(MAIN).keys() | written(MAIN).keys() == SECTIONS.keys()
    check(SECTIONS[section], written(MAIN)[section], shown(MAIN).get(section, {}))


@pytest.mark.parametrize(("file", "keys"), [(PEER, PEER_KEYS), (EDGE, EDGE_KEYS)])
def test_every_key_of_a_peer_and_an_edge_is_there(file: Path, keys: Mapping[str, Key]) -> None:
    check(keys, written(file), shown(file))


def test_the_reference_is_a_configuration_of_one_central_alone() -> None:
    config = load(MAIN)
    assert (config.central_id, config.site, config.peers, config.lanes) == (
        "central-1",
        "lot-a",
        (),
        (),
    )
    assert [config.listen.sync_port, config.listen.edge_port] == list(FOLLOWING.values())


def test_the_samples_are_taken_once_they_end_in_toml(tmp_path: Path) -> None:
    shutil.copy(MAIN, tmp_path)
    for sample in (PEER, EDGE):
        target = tmp_path / sample.parent.name / sample.stem
        target.parent.mkdir()
        shutil.copy(sample, target)
    config = load(tmp_path / "zparkd.toml")
    assert [peer.id for peer in config.peers] == ["central-2"]
    assert config.peers[0].sync_port == FOLLOWING["sync_port"]
    assert [lane.id for lane in config.lanes] == ["edge-1"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (MAIN, '#timezone = "Asia/Ho_Chi_Minh"', ""),
        (MAIN, "#bus_port = 9000", "#bus_port = 9100"),
        (MAIN, "#heartbeat_s = 1.0", "#heartbeat_s = 1.0\n#heartbeat_ms = 1000"),
        (PEER, "#sync_port = 9001", "#sync_port = 9101"),
        (EDGE, "#reports_close = false", "#reports_close = true"),
    ],
)
def test_a_planted_difference_is_found(tmp_path: Path, file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(old) == 1
    planted = tmp_path / "planted.toml"
    planted.write_text(text.replace(old, new))
    tables = SECTIONS if file == MAIN else {"": PEER_KEYS if file == PEER else EDGE_KEYS}
    for name, keys in tables.items():
        set_, defaults = written(planted), shown(planted)
        if name:
            set_, defaults = set_.get(name, {}), defaults.get(name, {})
        try:
            check(keys, set_, defaults)
        except AssertionError:
            return
    pytest.fail("not found")
