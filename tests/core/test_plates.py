"""How a plate as read or typed becomes a key."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zparkd.core.plates import Fit, Wanted, likeness, normalise_plate


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


# --- what a person looks for ----------------------------------------------------------------------

PLATES = st.text("ABCDEFGHIKLMNOPQSTUVXYZ0123456789", min_size=3, max_size=12)


@given(PLATES)
def test_a_plate_is_found_by_itself_and_by_every_part_of_it(plate_id: str) -> None:
    assert Wanted(plate_id).fit(plate_id) is Fit.SAME
    for start in range(len(plate_id)):
        part = plate_id[start : start + 3]
        if part != plate_id:
            assert Wanted(part).fit(plate_id) is Fit.PART


@given(PLATES, st.data())
def test_a_plate_is_found_by_a_part_whose_look_alikes_were_taken_for_each_other(
    plate_id: str, data: st.DataObject
) -> None:
    twins = {"0": "ODQ", "1": "IL", "2": "Z", "5": "S", "6": "G", "8": "B"}
    written = "".join(data.draw(st.sampled_from(char + twins.get(char, ""))) for char in plate_id)
    part = written[data.draw(st.integers(0, len(written) - 1)) :]
    assert Wanted(part).fit(plate_id) is not None


@given(PLATES, PLATES)
def test_whatever_could_be_misread_as_a_plate_finds_it(read: str, plate_id: str) -> None:
    if likeness(read, plate_id) is not None:
        assert Wanted(read).fit(plate_id) is not None


@pytest.mark.parametrize(
    ("asked", "plate_id", "fit"),
    [
        ("29A12345", "29A12345", Fit.SAME),
        ("A123", "29A12345", Fit.PART),
        ("A1Z3", "29A12345", Fit.ALIKE),
        ("Z9AI2345", "29A12345", Fit.ALIKE),
        ("29A1345", "29A12345", Fit.ALIKE),  # one was lost
        ("29A21345", "29A12345", Fit.ALIKE),  # two changed places
        ("29A54321", "29A12345", None),
        ("30F", "29A12345", None),
    ],
)
def test_what_is_looked_for_fits_or_does_not(asked: str, plate_id: str, fit: Fit | None) -> None:
    assert Wanted(asked).fit(plate_id) is fit
