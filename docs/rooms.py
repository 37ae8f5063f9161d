"""The picture of the rooms in docs/architecture.md, drawn from the imports.

`python -m docs.rooms` draws it anew in the page; a test holds that it is up to date. A room is a
folder of `zparkd/`. An arrow says that modules of a room import modules of another; one that
follows from two others is left out, so that the picture shows the direction and can be read.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "zparkd"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms: python -m docs.rooms -->\n", "<!-- /rooms -->\n"

Arrows = dict[str, set[str]]


def rooms(package: Path = PACKAGE) -> list[str]:
    """The folders of the package that hold modules."""
    return sorted(path.parent.name for path in package.glob("*/__init__.py"))


def arrows(package: Path = PACKAGE) -> Arrows:
    """Which rooms each room imports from, itself left out."""
    known = rooms(package)
    return {
        room: {
            name.split(".")[1]
            for path in (package / room).rglob("*.py")
            for name in _imported(ast.parse(path.read_text("utf-8")))
            if name.startswith(f"{package.name}.")
        }
        & set(known) - {room}
        for room in known
    }


def _imported(tree: ast.Module) -> Iterator[str]:
    """The full names of all that a module imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def reduced(all_arrows: Arrows) -> Arrows:
    """The same without each arrow that follows from others. Raises ValueError on a circle."""

    def reached(room: str, way: tuple[str, ...] = ()) -> set[str]:
        if room in way:
            raise ValueError("a circle of rooms: " + " -> ".join((*way, room)))
        found = set(all_arrows[room])
        for other in all_arrows[room]:
            found |= reached(other, (*way, room))
        return found

    return {
        room: direct - {far for near in direct for far in reached(near)}
        for room, direct in all_arrows.items()
        if reached(room) is not None
    }


def picture(drawn: Arrows) -> str:
    """The arrows as a Mermaid graph, in a block of Markdown."""
    lines = [f"    {room} --> {other}" for room in sorted(drawn) for other in sorted(drawn[room])]
    return "\n".join(["```mermaid", "graph TD", *lines, "```", ""])


def with_picture(page: str) -> str:
    """The text of a page with the picture drawn anew between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + picture(reduced(arrows())) + END + after


if __name__ == "__main__":
    PAGE.write_text(with_picture(PAGE.read_text("utf-8")), "utf-8")
