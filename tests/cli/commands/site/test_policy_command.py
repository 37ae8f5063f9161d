"""`zparkctl policy`: checked without a daemon, shown with every default, and set."""

import json
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Central
from tests.support.scripted import Asked
from tests.support.vehicles import T0_MS
from zparkd.core.events.event import Kind, Personal, Position, write
from zparkd.core.events.payloads import PolicySet
from zparkd.core.policy import Policy, read_policy, whole_document
from zparkd.storage.store import Store

GOOD = '[entry]\nfull = "refuse"\n[watch]\n"29A-123.45" = "stolen"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text(GOOD)
    return file


def test_a_good_policy_is_called_good(central: Central, file: Path) -> None:
    result = central.run("policy", "check", str(file))
    assert (result.exit_code, result.output) == (0, f"{file}: good\n")
    answer = json.loads(central.run("policy", "check", str(file), "--json").stdout)
    assert answer == {"success": True, "path": str(file), "faults": []}


@pytest.mark.parametrize("command", ["check", "set"])
def test_a_bad_one_is_refused_with_line_and_key(central: Central, file: Path, command: str) -> None:
    file.write_text('[entry]\nfull = "maybe"\n[exits]\n')
    result = central.run("policy", command, str(file))
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{file}:3: exits: unknown key; write exit",
        f'{file}:2: entry.full: "maybe" is unknown; write "allow" or "refuse"',
    ]


def test_without_one_the_defaults_are_shown(central: Central) -> None:
    with closing(Store(central.database, "central-1", "lot-a", "Asia/Ho_Chi_Minh")):
        pass
    shown = central.run("policy", "show")
    assert shown.stdout.startswith("# none was set; these are the defaults\n")
    assert read_policy(tomllib.loads(shown.stdout)) == Policy()
    answer = json.loads(central.run("policy", "show", "--json").stdout)
    assert (answer["version"], answer["set_by"]) == (None, None)
    assert answer["policy"] == whole_document(Policy())


def test_what_counts_is_shown_whole_and_can_be_set_again(central: Central) -> None:
    event = write(
        Position("central-2", 1, 1),
        Kind.POLICY,
        timestamp=T0_MS,
        order=T0_MS,
        prev="",
        facts=PolicySet(7, {"entry": {"full": "refuse"}}),
        personal=Personal("", watch={"29A12345": "stolen"}),
    )
    with closing(Store(central.database, "central-1", "lot-a", "Asia/Ho_Chi_Minh")) as store:
        store.append(event)
        store.commit()
    shown = central.run("policy", "show")
    assert shown.stdout.startswith("# version 7, set at central-2, 20")
    wanted = read_policy(tomllib.loads(GOOD))
    assert read_policy(tomllib.loads(shown.stdout)) == wanted
    answer = json.loads(central.run("policy", "show", "--json").stdout)
    assert (answer["version"], answer["set_by"], answer["set_ms"]) == (7, "central-2", T0_MS)
    assert read_policy(answer["document"]) == read_policy(answer["policy"]) == wanted


def test_setting_it_says_the_version_and_who_may_have_another(central: Central, file: Path) -> None:
    def script(asked: Asked, _: list[Asked]) -> None:
        assert asked.request["command"] == "policy.set"
        assert read_policy(asked.request["document"]) == read_policy(tomllib.loads(GOOD))
        answer = {"success": True, "version": 3, "incomplete": ["central-2"]}
        asked.reply({"v": 1, "id": asked.request["id"], **answer})

    with central.daemon(script):
        result = central.run("policy", "set", str(file))
    assert (result.exit_code, result.stdout) == (0, f"{file}: the site's policy, version 3\n")
    assert "central-2: not heard, or ahead of this central" in result.stderr


def test_one_that_would_not_count_is_an_answer_of_no(central: Central, file: Path) -> None:
    said = "the policy: central-9 set it with version 9 and order 9, which outranks; disown it"

    def script(asked: Asked, _: list[Asked]) -> None:
        error = {"code": "outranked", "message": said}
        asked.reply({"v": 1, "id": asked.request["id"], "success": False, "error": error})

    with central.daemon(script):
        result = central.run("policy", "set", str(file))
    assert result.exit_code == 1
    assert said in result.stderr
