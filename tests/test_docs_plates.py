"""docs/plates.md says what the ladder does: its forms, its look-alikes, its marks."""

import re
from pathlib import Path

import pytest

from zparkd.core.plates import FORMS, LOOK_ALIKES, NEAR_ALIKES, likeness, normalise_plate

PAGE = (Path(__file__).resolve().parents[1] / "docs/plates.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([^`]+)` \| [^|]+ \| `(\w+)` \| `([LDX]+)` \|$", PAGE, re.MULTILINE)


def listed(heading: str) -> list[str]:
    """What a paragraph that begins so lists, without the spaces."""
    said = PAGE.partition(f"**{heading}**:")[2].partition(". ")[0]
    return [group.replace(" ", "") for group in re.findall(r"`([^`]+)`", said)]


@pytest.mark.parametrize(("view", "plate_id", "form"), ROWS)
def test_a_plate_of_the_page_has_the_form_that_stands_beside_it(
    view: str, plate_id: str, form: str
) -> None:
    assert normalise_plate(view) == plate_id
    assert form in FORMS
    for char, wanted in zip(plate_id, form, strict=True):
        assert wanted in ("X", "D" if char.isdecimal() else "L")


def test_the_page_has_every_form() -> None:
    assert {form for _, _, form in ROWS} == set(FORMS)


def test_the_page_has_every_group_of_look_alikes() -> None:
    assert listed("Look-alikes") == list(LOOK_ALIKES)
    assert set(map(frozenset, listed("Easily taken for each other"))) == NEAR_ALIKES


def test_the_page_says_from_which_match_on_it_is_strong() -> None:
    like = likeness("ILI", "LIL")
    assert like is not None
    assert like.strong
    assert f"{like.match} or more for what is strong" in PAGE
