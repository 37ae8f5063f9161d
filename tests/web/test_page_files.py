"""The files of the page, read without a browser: its words are whole, nothing in it is foreign."""

import json
import re
from pathlib import Path

import pytest

from zparkd.web.http.answers import STATUS_OF, STATUS_OF_COMMAND

STATIC = Path(__file__).resolve().parents[2] / "zparkd/web/static"
SCRIPTS = sorted(STATIC.glob("*.js"))
LANGUAGES = {
    name: json.loads((STATIC / f"{name}.json").read_text("utf-8")) for name in ("vi", "en")
}
# Looked up by a name that is made of these and a code; tests/test_docs.py looks at the codes.
MADE_OF_CODES = (
    *("kind.", "verdict.", "remark.", "remark.why.", "problem.", "closed_by.", "type.", "role."),
    *("report.", "correct.", "policy.full.", "policy.misread."),
    *("tariff.line.", "tariff.form.", "document.", "fault.", "conflicts.now.", "gate.action."),
    *("link.", "away.", "traffic.by.", "list.", "passes.", "staff.", "steps."),
)
DOCUMENTS = ("policy", "tariff")


def text_of(*patterns: str) -> str:
    found = [path for pattern in patterns for path in sorted(STATIC.glob(pattern))]
    return "\n".join(path.read_text("utf-8") for path in found)


def holes(words: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", words))


def test_all_languages_have_the_same_keys() -> None:
    assert set(LANGUAGES["vi"]) == set(LANGUAGES["en"])


def test_a_key_takes_the_same_values_in_all_languages() -> None:
    one, other = LANGUAGES["vi"], LANGUAGES["en"]
    assert [key for key in one if holes(one[key]) != holes(other[key])] == []
    assert [key for words in (one, other) for key in words if not words[key].strip()] == []


def test_each_key_that_the_page_asks_for_has_words() -> None:
    asked = set(re.findall(r'\bt\(\s*"([^"]+)"', text_of("*.js")))
    asked |= set(re.findall(r'data-t(?:-label)?="([^"]+)"', text_of("*.html")))
    assert len(asked) > 100
    assert asked - set(LANGUAGES["vi"]) == set()


def test_each_refusal_that_a_person_may_meet_has_words() -> None:
    codes = {str(code) for code in (*STATUS_OF, *STATUS_OF_COMMAND)}
    wordless = {"unsupported_type", "unwritable", "own", "plain", "removed", "id_taken"}
    wordless |= {"too_many", "no_address"}  # told as the gateway says them, to administrators
    words = {key.removeprefix("fault.") for key in LANGUAGES["vi"] if key.startswith("fault.")}
    assert codes - words == wordless


def test_what_is_asked_for_by_the_name_of_a_document_has_words() -> None:
    """`document-view.js` has the name in front; both documents have all the words."""
    asked = set(re.findall(r"\bt\(`\$\{name\}([^`$]+)`", text_of("document-view.js")))
    assert len(asked) > 8
    assert {f"{name}{part}" for name in DOCUMENTS for part in asked} <= set(LANGUAGES["vi"])


def test_no_words_are_left_over() -> None:
    source = text_of("*.js", "*.html")
    listed = re.findall(r"^const VIEWS = \{(.*?)^\};$", source, re.MULTILINE | re.DOTALL)[0]
    views = re.findall(r"\w+", listed)
    titles = {f"{view}.{part}" for view in (*views, "login") for part in ("title", "nav")}
    quoted = set(re.findall(r'"([a-z0-9_.-]+)"', source))
    buttons = {
        f"peers.{name}{more}" for name in ("test", "edit", "remove") for more in ("", ".label")
    }
    documents = {
        f"{name}{part}"
        for name in DOCUMENTS
        for part in re.findall(r"`\$\{name\}([^`$]+)`", text_of("document-view.js"))
    }
    left = {
        key
        for key in LANGUAGES["vi"]
        if key not in quoted | titles | buttons | documents and not key.startswith(MADE_OF_CODES)
    }
    assert left == set()


@pytest.mark.parametrize(
    "forbidden",
    [
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function",
        r"https?://(?!www\.w3\.org/2000/svg)",  # the name of a namespace, never fetched
        r"\bstyle=|<style|\bon\w+=\"|javascript:",
        r"cdn\.|unpkg|jsdelivr|googleapis",
    ],
)
def test_the_page_has_no(forbidden: str) -> None:
    source = text_of("*.js", "*.html", "*.css", "*.svg")
    assert re.findall(forbidden, source) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_reads_alone(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert lines[0].startswith("// "), "says first what it is for"
    assert len(lines) <= 320
    assert max(map(len, lines)) <= 100, max(lines, key=len)


def test_each_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r'/static/([\w.-]+)"', text_of("*.html")))
    named |= set(re.findall(r'from "\./([\w.-]+)"', text_of("*.js")))
    assert "app.js" in named
    assert {name for name in named if not (STATIC / name).is_file()} == set()
