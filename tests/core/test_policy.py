"""The policy as it is written down: every key, every fault, and TOML that comes back."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zparkd.core import limits
from zparkd.core.policy import (
    Full,
    Misread,
    Policy,
    as_toml,
    read_policy,
    whole_document,
    written,
)
from zparkd.core.tariff.fields import BadDocument, parse
from zparkd.core.tariff.line_map import Form, lines_of

SAMPLE = Path(__file__).resolve().parents[2] / "etc/policy.toml"
WORDS = st.text(
    st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=limits.TEXT_CHARACTERS
).filter(str.strip)
PLATES = st.from_regex(r"[0-9]{2}[A-Z][0-9]{5}", fullmatch=True)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "capacity": st.dictionaries(
            st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), st.integers(0, 1_000_000)
        ),
        "entry": st.fixed_dictionaries(
            {},
            optional={
                "full": st.sampled_from(["allow", "refuse"]),
                "not_taken_after_s": st.integers(1, 86_400),
            },
        ),
        "exit": st.fixed_dictionaries({}, optional={"misread": st.sampled_from(["ask", "accept"])}),
        "watch": st.dictionaries(PLATES, WORDS, max_size=5),
        "alerts": st.fixed_dictionaries({}, optional={"silent_edge_min": st.integers(0, 44_640)}),
        "privacy": st.fixed_dictionaries({}, optional={"keep_days": st.integers(0, 36_525)}),
    },
)


def faults(document: object) -> list[str]:
    with pytest.raises(BadDocument) as refused:
        read_policy(document)
    return [str(fault) for fault in refused.value.faults]


def test_the_sample_has_every_key_with_its_default() -> None:
    text = SAMPLE.read_text("utf-8")
    document = tomllib.loads(text)
    assert read_policy(document) == read_policy({}) == Policy()
    whole = whole_document(Policy())
    assert {name: set(table) for name, table in document.items()} == {
        name: set(table) for name, table in whole.items()
    }
    told = text.replace("# car", "car").replace("# motorbike", "motorbike").replace('# "', '"')
    policy = read_policy(tomllib.loads(told))
    assert policy.capacity == {"car": 200, "motorbike": 800}
    assert policy.watch == {"29A12345": "stolen"}


def test_every_key_is_read() -> None:
    document = {
        "capacity": {"car": 200},
        "entry": {"full": "refuse", "not_taken_after_s": 60},
        "exit": {"misread": "accept"},
        "watch": {"29a-123.45": "stolen"},
        "alerts": {"silent_edge_min": 30},
        "privacy": {"keep_days": 365},
    }
    wanted = Policy({"car": 200}, Full.REFUSE, 60, Misread.ACCEPT, {"29A12345": "stolen"}, 30, 365)
    assert read_policy(document) == wanted


@given(DOCUMENTS)
def test_what_was_read_is_written_and_read_as_the_same(document: dict[str, Any]) -> None:
    policy = read_policy(document)
    for form in (written(document), whole_document(policy)):
        assert read_policy(form) == policy
        assert tomllib.loads(as_toml(form)) == form
    assert written(written(document)) == written(document)
    assert whole_document(read_policy(tomllib.loads(as_toml(written(document))))) == whole_document(
        policy
    )


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[exits]\n", 1, "exits: unknown key; write exit"),
        ("[entry]\nfull = true\n", 2, 'entry.full: true is unknown; write "allow" or "refuse"'),
        ("[entry]\nfulll = 1\n", 2, "entry.fulll: unknown key; write full"),
        ("[entry]\n\nnot_taken_after_s = 0\n", 3, "entry.not_taken_after_s: 0 is not within 1"),
        ("[exit]\nmisread = 'yes'\n", 2, 'exit.misread: "yes" is unknown; write "ask" or "accept"'),
        ("[capacity]\ncar = -1\n", 2, "capacity.car: -1 is not within 0 to 1,000,000"),
        ("[capacity]\nCar = 1\n", 2, 'capacity.Car: "Car" is no type of vehicle; write one such'),
        ("capacity = 200\n", 1, "capacity: 200 is no table"),
        ('[watch]\n"??" = "stolen"\n', 2, "watch.??: must be 3 to 12 of A-Z and 0-9"),
        ('[watch]\n"29A1" = 1\n', 2, "watch.29A1: 1 is no string"),
        ('[watch]\n"29A1" = " "\n', 2, "watch.29A1: is empty; write the words to show"),
        ('[watch]\n"29A1" = "a"\n"29-a1" = "b"\n', 3, "watch.29-a1: 29A1 stands above"),
        ("[alerts]\nsilent_edge_min = 1.5\n", 2, "alerts.silent_edge_min: 1.5 is no whole number"),
        ("[privacy]\nkeep_days = 99999\n", 2, "privacy.keep_days: 99999 is not within 0 to 36,525"),
    ],
)
def test_every_fault_is_told_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(BadDocument) as refused:
        read_policy(parse(text, Form.TOML))
    [fault] = refused.value.located(lines_of(text)).faults
    assert str(fault).startswith(f"{line}: {said}")


def test_all_faults_are_told_at_once() -> None:
    found = faults({"exit": 3, "entry": {"full": 1, "x": 2}, "capacity": {"car": "many"}})
    assert len(found) == 4
    assert len(faults({"watch": {f"29A{it}": 1 for it in range(100, 200)}})) == 51


@pytest.mark.parametrize("document", [None, [], 1, "x", {"watch": []}, {"entry": None}])
def test_what_is_no_policy_is_refused(document: object) -> None:
    assert faults(document)


def test_one_that_no_event_can_hold_is_refused() -> None:
    plates = {f"29A{it:05}": "stolen, call the police" for it in range(1000)}
    assert "bytes of JSON; write at most 24,576" in faults({"watch": plates})[0]
