"""On which line of a TOML or JSON text each value stands.

Their parsers tell no line of a value, so lines are found here, by a walk over tokens that
understands just enough of both. The text must be one that its parser accepts.
"""

import json
import re
import tomllib
from enum import StrEnum

Place = tuple[str | int, ...]  # ("rate", 0, "step", 1, "amount"); list items count from 0


class Form(StrEnum):
    """How a document is written."""

    TOML = "TOML"
    JSON = "JSON"


_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r]+|\#[^\n]*)
      | (?P<newline>\n)
      | (?P<string>\"\"\"(?:\\.|[^\\])*?\"\"\"\"{0,2}
                 | '''.*?''''{0,2}
                 | "(?:\\.|[^"\\\n])*"
                 | '[^'\n]*')
      | (?P<bare>[A-Za-z0-9_-]+)
      | (?P<mark>[][{}=:,.])
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


def lines_of(text: str, form: Form = Form.TOML) -> dict[Place, int]:
    """The line, from 1, on which each table, key and list item first stands.

    However they are written: under a table header, dotted, quoted, or in an inline table.
    """
    walk = _Walk(form)
    for token in _TOKEN.finditer(text):
        walk.take(token.lastgroup or "other", token.group())
    return walk.lines


class _Walk:
    """The walk at work. `key` is the path being read, or that of the value being read."""

    def __init__(self, form: Form) -> None:
        self.lines: dict[Place, int] = {}
        self._form = form
        self._line = 1
        self._header: Place = ()
        self._key: Place = ()
        self._opened: list[tuple[str, Place]] = []  # each open bracket, with the path before it
        self._items: dict[Place, int] = {}  # how many items each list has by now
        self._in_value = form is Form.JSON
        self._in_header = False
        self._of_list = False  # the header is one of [[two brackets]]

    def take(self, kind: str, what: str) -> None:
        if kind == "newline" and not self._opened and self._form is Form.TOML:
            self._in_value, self._key, self._of_list = False, self._header, False
        elif kind in ("bare", "string") and self._in_header:
            self._key = (*self._current(self._key), self._name(what))
        elif kind in ("bare", "string") and not self._in_value:
            self._key = (*self._current(self._key), self._name(what))
            self._note()
        elif kind == "mark":
            self._mark(what)
        elif kind in ("bare", "string", "other") and self._in_value:
            self._item()
        self._line += what.count("\n")

    def _mark(self, what: str) -> None:
        if what == "[" and not self._in_value:
            self._of_list = self._in_header  # the second of two brackets
            self._in_header, self._key = True, ()
        elif what == "]" and self._in_header:
            self._end_header()
        elif what in "=:":
            self._in_value = True
        elif what in "[{":
            self._item()
            self._opened.append((what, self._key))
            if what == "[":
                self._items.setdefault(self._key, 0)
            self._in_value = what == "["
        elif what in "]}" and self._opened:
            self._key = self._opened.pop()[1]
            self._in_value = True
        elif what == "," and self._opened:
            bracket, self._key = self._opened[-1]
            self._in_value = bracket == "["

    def _end_header(self) -> None:
        # The second bracket of [[a]] finds the header closed and nothing open: no harm.
        self._in_header, self._in_value = False, True
        if self._of_list:
            number = self._items.get(self._key, 0)
            self._items[self._key] = number + 1
            self._note()
            self._key = (*self._key, number)
        else:
            self._key = self._current(self._key)
        self._header = self._key
        self._note()

    def _item(self) -> None:
        """A value begins: in a list it is the next item of it."""
        if self._opened and self._opened[-1] == ("[", self._key):
            number = self._items[self._key]
            self._items[self._key] = number + 1
            self._key = (*self._key, number)
            self._note()

    def _current(self, place: Place) -> Place:
        """The path itself, or where it is a list's, that of its last item."""
        return (*place, self._items[place] - 1) if place in self._items else place

    def _note(self) -> None:
        for depth in range(len(self._key), 0, -1):
            if self._key[:depth] in self.lines:
                break
            self.lines[self._key[:depth]] = self._line

    def _name(self, token: str) -> str:
        """A key as it is meant: without quotes and escapes."""
        if token[0] not in "\"'":
            return token
        if self._form is Form.JSON:
            return str(json.loads(token))
        return str(tomllib.loads(f"key = {token}")["key"])
