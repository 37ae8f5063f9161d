"""Every value of a TOML or JSON text is found, on the line on which it stands."""

import json
import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zparkd.core.tariff.line_map import Form, Place, lines_of

TARIFF = """\
# the airport
[[rate]]
camera_type = "car"
step = [ { every_minutes = 60,
           amount = 15_000 }, { every_minutes = 30 } ]

[[rate]]
"camera_type" = "motorbike"
[[rate.step]]
until_minutes = 60

[[rate.step]]
amount = -5.5
window = [
  [1, -2, 1.5, [true]],
  "06:00", # no = 1
]
"""


def test_lists_of_tables_are_counted() -> None:
    assert lines_of(TARIFF) == {
        ("rate",): 2,
        ("rate", 0): 2,
        ("rate", 0, "camera_type"): 3,
        ("rate", 0, "step"): 4,
        ("rate", 0, "step", 0): 4,
        ("rate", 0, "step", 0, "every_minutes"): 4,
        ("rate", 0, "step", 0, "amount"): 5,
        ("rate", 0, "step", 1): 5,
        ("rate", 0, "step", 1, "every_minutes"): 5,
        ("rate", 1): 7,
        ("rate", 1, "camera_type"): 8,
        ("rate", 1, "step"): 9,
        ("rate", 1, "step", 0): 9,
        ("rate", 1, "step", 0, "until_minutes"): 10,
        ("rate", 1, "step", 1): 12,
        ("rate", 1, "step", 1, "amount"): 13,
        ("rate", 1, "step", 1, "window"): 14,
        ("rate", 1, "step", 1, "window", 0): 15,
        ("rate", 1, "step", 1, "window", 0, 0): 15,
        ("rate", 1, "step", 1, "window", 0, 1): 15,
        ("rate", 1, "step", 1, "window", 0, 2): 15,
        ("rate", 1, "step", 1, "window", 0, 3): 15,
        ("rate", 1, "step", 1, "window", 0, 3, 0): 15,
        ("rate", 1, "step", 1, "window", 1): 16,
    }


def places(value: object, place: Place = ()) -> Iterator[Place]:
    """Where each table, key and list item of a value is."""
    if place:
        yield place
    if isinstance(value, dict):
        for name, held in value.items():
            yield from places(held, (*place, name))
    elif isinstance(value, list):
        for number, held in enumerate(value):
            yield from places(held, (*place, number))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda held: (
        st.lists(held, max_size=3) | st.dictionaries(st.text(max_size=5), held, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES, st.sampled_from([None, 0, 1]), st.sampled_from(["", "\n", " \n\n"]))
def test_every_place_of_any_json_is_found(value: object, indent: int | None, before: str) -> None:
    text = before + json.dumps(value, indent=indent)
    lines = lines_of(text, Form.JSON)
    assert set(lines) == set(places(value))
    if indent is not None:
        rows = text.splitlines()
        for place, line in lines.items():
            if isinstance(place[-1], str):
                assert json.dumps(place[-1]) in rows[line - 1]


@pytest.mark.parametrize(
    "text",
    [
        "a = [1, [2, {b = 1}], {c.d = [3]}]\n[[e.f]]\n[e.f.g]\nh = 1\n[[e.f]]\n[[e.f.g]]\nh = 2\n",
        "a.b = 1\n[c]\n[[c.d]]\n[[c.d]]\nx = 07:32:00\n[f]\ny = [\n]\n",
    ],
)
def test_every_place_of_such_toml_is_found(text: str) -> None:
    assert set(lines_of(text)) == set(places(tomllib.loads(text)))
