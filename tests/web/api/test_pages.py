"""The files of the page: of the right type, asked again each time, and sent only when changed."""

import pytest

from tests.support.gateway import Gateway
from zparkd.web.api.pages import STATIC

TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@pytest.mark.parametrize("name", sorted(file.name for file in STATIC.iterdir() if file.is_file()))
def test_a_file_is_what_it_is_and_is_not_sent_twice(gateway: Gateway, name: str) -> None:
    first = gateway.get(f"/static/{name}")
    assert first.status_code == 200
    assert first.content == (STATIC / name).read_bytes()
    kind = first.headers["content-type"].partition(";")[0]
    assert kind == TYPES[f".{name.rpartition('.')[2]}"]
    assert first.headers["cache-control"] == "no-cache"
    known = {"If-None-Match": first.headers["etag"]}
    assert gateway.http.get(f"/static/{name}", headers=known).status_code == 304


def test_the_page_is_at_the_root(gateway: Gateway) -> None:
    assert gateway.get("/").content == (STATIC / "index.html").read_bytes()
