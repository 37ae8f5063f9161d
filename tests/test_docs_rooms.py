"""The picture of the rooms in docs/architecture.md: drawn from the imports, and up to date."""

import pytest

from docs.rooms import PAGE, reduced, with_picture


def test_the_picture_of_the_rooms_shows_the_imports() -> None:
    page = PAGE.read_text("utf-8")
    assert page == with_picture(page), "draw it anew: .venv/bin/python -m docs.rooms"
    assert "    storage --> core\n" in page


def test_the_picture_leaves_out_what_follows_and_names_a_circle() -> None:
    chain = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert reduced(chain) == {"a": {"b"}, "b": {"c"}, "c": set()}
    with pytest.raises(ValueError, match="circle"):
        reduced({"a": {"b"}, "b": {"a"}})
