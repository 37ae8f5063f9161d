"""The man pages: one for every command, good roff, with an example that can be typed."""

import re
import shlex
import shutil
import subprocess

import click
import pytest

from package.man import Page, pages
from tests.cli.test_help_command import every_command
from tests.test_docs import PROGRAMS, check_options

PAGES = {page.file: page for page in pages()}
EACH = pytest.mark.parametrize("page", PAGES.values(), ids=list(PAGES))


def test_every_command_has_a_page() -> None:
    names = {"-".join(("zparkctl", *path)) for path in every_command()}
    assert names | {"zparkd", "zparkd-web", "zparkd-camera", "zparkd.toml"} == {
        page.name for page in PAGES.values()
    }


def example(page: Page) -> str:
    assert page.text.count(".SH EXAMPLE\n.nf\n") == 1
    return page.text.split(".SH EXAMPLE\n.nf\n")[1].split("\n.fi")[0].replace("\\-", "-")


@pytest.mark.parametrize(
    "page", [page for page in PAGES.values() if page.section == 1], ids=lambda page: page.name
)
def test_its_example_can_be_typed(page: Page) -> None:
    program, *words = shlex.split(example(page).replace("$(date +%F)", "2026-01-01"))
    path = page.name.split("-")
    assert program == path[0] == "zparkctl"
    command: click.Command = PROGRAMS[program]
    check_options(command, words)


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
@EACH
def test_roff_has_nothing_against_it(page: Page) -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww"],
        input=page.text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub(".\b", "", done.stdout)  # bold is struck twice
    assert "NAME\n" in shown
    assert page.name.split("-")[0] in shown


@EACH
def test_a_page_names_only_pages_that_are_there(page: Page) -> None:
    seen = page.text.split(".SH SEE ALSO\n")[1].strip().replace("\\-", "-")
    for name in seen.split(", "):
        assert name.replace("(", ".").rstrip(")") in PAGES, name
