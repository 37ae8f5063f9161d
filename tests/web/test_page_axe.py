"""What axe-core finds in each view. It is no part of zparkd: AXE=/path/to/axe.min.js names one."""

import os
from pathlib import Path

import pytest

from tests.support.gateway import Gateway
from tests.support.harness import enter, leave
from tests.support.pages import Open

VIEWS = ("now", "vehicles?plate=51", "vehicles/51A99999", "history", "traffic", "peers")
LISTS = ("conflicts", "tariff", "policy", "passes", "staff", "audit", "reports")
GATE = "gate?edge=out-1&plate=51A9999B&direction=EXIT"
_RUN = """axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(
    one => [one.id, one.nodes.map(node => node.html.slice(0, 120)).slice(0, 3)]))"""


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(
    pair: tuple[Gateway, Gateway], open_page: Open, colours: str, width: int
) -> None:
    script = os.environ.get("AXE")
    if script is None:
        pytest.skip("AXE does not name an axe.min.js (npm pack axe-core)")
    enter(pair[0].central, "51A99999")
    leave(pair[1].central, "51A99999")
    page = open_page(pair[0], width=width, height=844)
    page.colours(colours)
    page.js(Path(script).read_text("utf-8") + ";0")
    for view in (*VIEWS, *LISTS, GATE):
        page.js(f"location.hash = '#/{view}'")
        page.wait("!document.querySelector('main').innerText.includes('Đang tải')")
        assert page.js(_RUN) == [], view
