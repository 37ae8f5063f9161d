"""How a plate as read or typed becomes a key."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zparkd.core.plates import normalise_plate


@pytest.mark.parametrize(
    ("text", "plate_id"),
    [
        ("29A12345", "29A12345"),
        ("29a-123.45", "29A12345"),
        (" 29 A 123 45 ", "29A12345"),
        ("29Đ1-234.56", "29D123456"),
        ("29đ1-234.56", "29D123456"),
        ("abc", "ABC"),
        ("ABCDEF123456", "ABCDEF123456"),
        ("-.A-.B-.C-.", "ABC"),
    ],
)
def test_case_spaces_dots_and_hyphens_make_no_other_plate(text: str, plate_id: str) -> None:
    assert normalise_plate(text) == plate_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "A1",
        "A-1",
        "ABCDEF1234567",
        "29A_12345",
        "29A/12345",
        "29A12345\n",
        "29A\t12345",
        "29Á12345",
        "29A1234五",
        "２９A12345",
        "29А12345",  # a Cyrillic letter
        "29A\u030012345",
    ],
)
def test_what_is_left_must_be_3_to_12_of_a_to_z_and_0_to_9(text: str) -> None:
    with pytest.raises(ValueError, match="3 to 12"):
        normalise_plate(text)


def _normalised(text: str) -> str | None:
    try:
        return normalise_plate(text)
    except ValueError:
        return None


_NEARLY = st.text(st.sampled_from("29Aađ-. Đıſß\u0301ﬁ"), max_size=14)


@given(st.text(max_size=20) | _NEARLY)
def test_a_plate_is_normalised_once_and_for_all(text: str) -> None:
    plate_id = _normalised(text)
    if plate_id is not None:
        assert re.fullmatch(r"[A-Z0-9]{3,12}", plate_id)
        assert normalise_plate(plate_id) == plate_id


@given(st.text(max_size=20) | _NEARLY)
def test_how_its_letters_are_composed_makes_no_other_plate(text: str) -> None:
    for form in ("NFC", "NFD"):
        assert _normalised(unicodedata.normalize(form, text)) == _normalised(text)
