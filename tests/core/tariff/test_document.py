"""A tariff that is written wrong is refused, with every fault by its key."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tariffs import AIRPORT, CENTRE, DAY_AND_NIGHT
from zparkd.core.tariff import limits
from zparkd.core.tariff.document import read_tariff, written
from zparkd.core.tariff.fields import BadDocument, parse
from zparkd.core.tariff.line_map import Form, lines_of
from zparkd.core.tariff.pricing import Rate, Step
from zparkd.core.tariff.time_windows import Window


def faults(document: object) -> list[str]:
    with pytest.raises(BadDocument) as refused:
        read_tariff(document)
    return [str(fault) for fault in refused.value.faults]


def rate(**rules: Any) -> Any:
    return {"rate": [{"camera_type": "car", "step": [step()]} | rules]}


def step(**keys: Any) -> Any:
    return {"every_minutes": 60, "amount": 5_000} | keys


def window(**keys: Any) -> Any:
    return {"from": "06:00", "to": "22:00", "amount": 5_000} | keys


def test_a_document_is_read_with_its_defaults() -> None:
    window = {"from": "06:00", "to": "24:00", "amount": 1}
    document = {"rate": [AIRPORT["rate"][0], {"camera_type": "bus", "window": [window]}]}
    assert read_tariff(document) == {
        "car": Rate("car", "VND", 10, None, None, 0, (Step(60, 15_000, 60), Step(30, 5_000)), ()),
        "bus": Rate("bus", windows=(Window("06:00", "24:00", 1),)),
    }


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "document: a list is no table"),
        ({}, "rate: is missing"),
        ({"rate": []}, "rate: is missing"),
        ({"rates": []}, "rates: unknown key; write rate"),
        ({"rate": {"a": 1}}, "rate: a table is no list"),
        ({"rate": [1]}, "rate[0]: 1 is no table"),
        (rate(step=[]), "rate[0]: has neither step nor window"),
        (rate(camera_type="Car"), 'rate[0].camera_type: "Car" is no type of vehicle'),
        (rate(camera_type=1), "rate[0].camera_type: 1 is no string"),
        (rate(currency="dong"), 'rate[0].currency: "dong" is no currency'),
        (rate(free_minutes=-1), "rate[0].free_minutes: -1 is not within 0 to"),
        (rate(free_minutes=True), "rate[0].free_minutes: true is no whole number"),
        (rate(free_minute=1), "rate[0].free_minute: unknown key; write free_minutes"),
        (rate(round_to=0), "rate[0].round_to: 0 is not within 1 to"),
        (rate(cap_24h=0), "rate[0].cap_24h: 0 is not within 1 to"),
        (rate(cap_24h="200000"), 'rate[0].cap_24h: "200000" is no whole number'),
        (rate(lost_ticket=0.5), "rate[0].lost_ticket: 0.5 is no whole number"),
        (rate(step=[step(amount=1.0)]), "rate[0].step[0].amount: 1.0 is no whole number"),
        (rate(step=[step(amount=-1)]), "rate[0].step[0].amount: -1 is not within 0 to"),
        (rate(step=[step(amount=10**400)]), "rate[0].step[0].amount: "),
        (rate(step=[{"amount": 1}]), "rate[0].step[0].every_minutes: is missing"),
        (rate(step=[{"every_minutes": 1}]), "rate[0].step[0].amount: is missing"),
        (rate(step=[step(every_minutes=0)]), "rate[0].step[0].every_minutes: 0 is not within 1"),
        (rate(step=[step(), step()]), "rate[0].step[0].until_minutes: is missing"),
        (rate(step=[step(until_minutes=60)]), "rate[0].step[0].until_minutes: the last step"),
        (
            rate(step=[step(until_minutes=60), step(until_minutes=60), step()]),
            "rate[0].step[1].until_minutes: 60 is not above 60",
        ),
        (rate(window=[window(to="6:00")]), 'rate[0].window[0].to: "6:00" is no time of day'),
        (rate(window=[window(to="22:60")]), 'rate[0].window[0].to: "22:60" is no time of day'),
        (rate(window=[{"to": "22:00", "amount": 1}]), "rate[0].window[0].from: is missing"),
        (rate(window=[window(to="06:00")]), "rate[0].window[0].to: is the same as from"),
        (
            rate(window=[window(**{"from": "24:00"})]),
            'rate[0].window[0].from: "24:00" is no time of day',
        ),
        (rate(step=[step()] * 17), "rate[0].step: has 17 items; write at most 16"),
        ({"rate": rate()["rate"] * 2}, 'rate[1].camera_type: "car" has a rate above'),
    ],
)
def test_what_is_wrong_is_named_by_its_key(document: object, said: str) -> None:
    [fault] = faults(document)
    assert fault.startswith(said)


def test_all_faults_are_told_up_to_a_bound() -> None:
    assert len(faults(rate(currency="x", round_to=0, cap_24h=0))) == 3
    many = faults(rate(window=[window(**{f"key{n}": 1 for n in range(100)})]))
    assert len(many) == limits.DOCUMENT_FAULTS + 1
    assert many[-1] == "document: and 50 faults more"


def test_a_fault_stands_on_the_line_of_its_key_or_of_the_table_around_it() -> None:
    text = (
        "[[rate]]\ncamera_type = 'car'\n\n[[rate.step]]\nevery_minutes = 0\namount = 1\n"
        "\n[[rate.window]]\nto = '06:00'\namount = 1\n"
    )
    with pytest.raises(BadDocument) as refused:
        read_tariff(parse(text, Form.TOML))
    located = refused.value.located(lines_of(text))
    assert [(fault.line, fault.key) for fault in located.faults] == [
        (5, "rate[0].step[0].every_minutes"),
        (8, "rate[0].window[0].from"),
    ]


@pytest.mark.parametrize(
    ("text", "form", "line"),
    [
        ("a = 1\nb = \n", Form.TOML, 2),
        ("a = 1\nb = 'x", Form.TOML, 2),
        ('{"a": 1,\n"b": }', Form.JSON, 2),
        ("", Form.JSON, 1),
        ("[" * 100_000, Form.JSON, 1),
        ("a = " + "1" * 5000, Form.TOML, 1),
    ],
)
def test_text_that_is_of_no_form_is_refused_with_its_line(text: str, form: Form, line: int) -> None:
    with pytest.raises(BadDocument) as refused:
        parse(text, form)
    [fault] = refused.value.faults
    assert fault.line == line


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda held: (
            st.lists(held, max_size=3)
            | st.dictionaries(
                st.sampled_from(["rate", "step", "window", "amount", "from", "cap_24h", "x"]), held
            )
        ),
        max_leaves=20,
    )
)
def test_no_value_is_too_odd_to_be_refused(document: object) -> None:
    assert all(fault.isprintable() for fault in faults(document))


@pytest.mark.parametrize("document", [AIRPORT, CENTRE, DAY_AND_NIGHT])
def test_a_document_is_written_as_it_was_read_in_one_order(document: Any) -> None:
    assert written(document) == document
    turned = {"rate": [dict(reversed(rate.items())) for rate in document["rate"]]}
    assert json.dumps(written(turned)) == json.dumps(written(document))
