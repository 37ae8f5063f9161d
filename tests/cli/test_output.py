"""Tables, colour and words, as a person sees them."""

import sys

import click
import pytest

from zparkd.cli.output import (
    Cell,
    bad,
    colour_wanted,
    count,
    duration,
    offset,
    paragraph,
    plural,
    table,
)


def plain(text: str) -> list[str]:
    return click.unstyle(text).split("\n")


def test_columns_are_aligned_and_lines_end_with_text() -> None:
    shown = table(
        ("A", "NUMBER", "B"), [("x", "1", "y"), ("longer", "1,000", "")], right=["NUMBER"]
    )
    assert plain(shown) == [
        "A       NUMBER  B",
        "x            1  y",
        "longer   1,000",
    ]


def test_colour_does_not_disturb_the_columns() -> None:
    rows = [(Cell("down", bad), "1"), ("connected", "2")]
    shown = table(("STATE", "N"), rows)
    assert bad("down") in shown
    assert plain(shown) == ["STATE      N", "down       1", "connected  2"]


def test_wide_and_combining_characters_keep_their_columns() -> None:
    shown = table(("A", "B"), [("停车", "1"), ("gio\u031b\u0300", "2"), ("abcd", "3")])
    assert plain(shown) == ["A     B", "停车  1", "gio\u031b\u0300   2", "abcd  3"]


def test_a_table_too_wide_is_cut_where_allowed_and_no_further() -> None:
    rows = [("p" * 30, "s" * 30, "12")]
    shown = table(("PEER", "STATE", "N"), rows, width=40, shrink={"STATE": 12, "PEER": 12})
    assert plain(shown)[1] == "p" * 21 + "…  " + "s" * 11 + "…  12"
    assert max(map(len, plain(shown))) == 40
    narrow = table(("PEER", "STATE", "N"), rows, width=10, shrink={"STATE": 12, "PEER": 12})
    assert plain(narrow)[1] == "p" * 11 + "…  " + "s" * 11 + "…  12"


def test_what_could_move_the_cursor_is_not_shown() -> None:
    assert plain(table(("A",), [("x\x1b[2J\ny",)]))[1] == "x?[2J?y"
    assert "\x1b" not in paragraph("a\x1b[31m b")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "9 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (11520, "3 h 12 min"),
        (172_799, "47 h 59 min"),
        (172_800, "2 d"),
        (180_000, "2 d 2 h"),
    ],
)
def test_durations_are_words(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (None, "?"),
        (0, "+0 ms"),
        (3, "+3 ms"),
        (-9999, "-9999 ms"),
        (12_000, "+12 s"),
        (-3_600_000, "-1 h"),
    ],
)
def test_offsets_are_words_with_a_sign(milliseconds: float | None, said: str) -> None:
    assert offset(milliseconds) == said


def test_numbers_have_separators_and_unknown_is_a_question_mark() -> None:
    assert (count(12034), count(0), count(None)) == ("12,034", "0", "?")
    assert (plural(1, "peer"), plural(0, "peer"), plural(None, "peer")) == (
        "1 peer",
        "0 peers",
        "? peers",
    )


def test_a_paragraph_fits_the_screen_and_breaks_no_path() -> None:
    path = "/a/" + "long-name/" * 12
    lines = paragraph(f"some words and {path} and more " * 2, first="  ", rest="    ").split("\n")
    assert all(len(line) <= 80 or path in line for line in lines)
    assert sum(path in line for line in lines) == 2
    assert lines[0].startswith("  some")
    assert lines[1].startswith("    ")


@pytest.mark.parametrize(
    ("terminal", "environment", "wanted"),
    [
        (True, {"TERM": "xterm"}, True),
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_whose_user_wants_it(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, environment: dict[str, str], wanted: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert colour_wanted() is wanted
