"""The man pages, from the commands themselves: what --help says is what `man` says.

    python -m package.man DIR

Writes zparkctl(1) with a page for each of its commands, the daemons in section 8, and the reference
of zparkd.toml in section 5. The same checkout gives the same bytes.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from zparkd import __version__
from zparkd.camera.main import main as zparkd_camera
from zparkd.cli.main import main as zparkctl
from zparkd.daemon.main import main as zparkd
from zparkd.web.main import main as zparkd_web

ROOT = Path(__file__).resolve().parent.parent
_FILES = {
    "/etc/zparkd/zparkd.toml": "the configuration, explained in zparkd.toml(5)",
    "/etc/zparkd/peers.d/*.toml": "the other centrals",
    "/etc/zparkd/edges.d/*.toml": "the cameras",
    "/var/lib/zparkd/zparkd.db": "the database; readable with sqlite3",
    "/run/zparkd/control.sock": "where zparkctl asks the daemon",
}
_EXIT = {
    "0": "done",
    "1": "the answer is no",
    "2": "wrong command line",
    "69": "the daemon can't be reached",
    "78": "bad configuration",
}


class Page(NamedTuple):
    """One page: its name and section, and its text for roff."""

    name: str
    section: int
    text: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.{self.section}"


def pages() -> Iterator[Page]:
    """All pages."""
    everything = [*_commands(zparkctl, ("zparkctl",))]
    names = ["-".join(path) for path, _ in everything]
    for path, command in everything:
        name = "-".join(path)
        see = [one for one in names if one != name and one.rpartition("-")[0] in (name, path[0])]
        related = [f"{one}(1)" for one in see] if isinstance(command, click.Group) else []
        yield _page(path, 1, command, [*related, "zparkctl(1)", "zparkd(8)"])
    yield _page(("zparkd",), 8, zparkd, ["zparkctl(1)", "zparkd.toml(5)", "zparkd-web(8)"])
    yield _page(("zparkd-camera",), 8, zparkd_camera, ["zparkd(8)", "zparkd-web(8)"])
    yield _page(("zparkd-web",), 8, zparkd_web, ["zparkctl(1)", "zparkd(8)", "zparkd.toml(5)"])
    yield _reference()


def _commands(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command with all below it, each with the words by which it is called."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path[-1])
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _commands(found, (*path, name))


def _page(path: tuple[str, ...], section: int, command: click.Command, see: list[str]) -> Page:
    context = click.Context(command, info_name=" ".join(path), max_content_width=100)
    name = "-".join(path)
    summary = command.get_short_help_str(200).rstrip(".")
    usage = " ".join(piece for piece in command.collect_usage_pieces(context))
    parts = [
        _title(name, section),
        f".SH NAME\n{_text(name)} \\- {_text(summary)}",
        f".SH SYNOPSIS\n.B {_text(' '.join(path))}\n{_text(usage)}",
        f".SH DESCRIPTION\n{_paragraphs(command.help or '')}",
    ]
    if isinstance(command, click.Group):
        parts.append(".SH COMMANDS")
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            assert found is not None
            said = _text(found.get_short_help_str(200))
            parts.append(f".TP\n.BR {_text(f'{name}-{sub}')} (1)\n{said}")
    parts.append(".SH OPTIONS")
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            parts.append(f".TP\n.B {_text(record[0])}\n{_text(record[1])}")
    status = "\n".join(f".TP\n.B {code}\n{_text(said)}" for code, said in _EXIT.items())
    parts += [f".SH EXIT STATUS\n{status}", *_example(command)]
    files = "\n".join(f".TP\n.I {_text(file)}\n{_text(said)}" for file, said in _FILES.items())
    parts += [f".SH FILES\n{files}", f".SH SEE ALSO\n{_text(', '.join(dict.fromkeys(see)))}"]
    return Page(name, section, "\n".join(parts) + "\n")


def _title(name: str, section: int) -> str:
    return f'.TH "{name.upper()}" "{section}" "" "zparkd {__version__}" "zparkd"'


def _example(command: click.Command) -> Iterator[str]:
    if command.epilog is not None:
        yield f".SH EXAMPLE\n.nf\n{_text(command.epilog.removeprefix('Example: '))}\n.fi"


def _paragraphs(text: str) -> str:
    r"""The text of a help page; what begins with \b keeps its lines."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text.replace("\f", "")):
        lines = paragraph.strip("\n").split("\n")
        if lines[0].strip() == "\b":
            kept = "\n".join(_text(line) for line in lines[1:])
            found.append(f".nf\n{kept}\n.fi")
        else:
            found.append(_text(" ".join(line.strip() for line in lines)))
    return "\n.PP\n".join(found)


def _text(text: str) -> str:
    """Text that roff takes as it is."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = re.sub(r"^([.'])", r"\\&\1", escaped, flags=re.MULTILINE)
    return "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in escaped)


def _reference() -> Page:
    """The sample configuration, which explains every key."""
    sample = (ROOT / "etc/zparkd.toml").read_text("utf-8")
    parts = [
        _title("zparkd.toml", 5),
        ".SH NAME\nzparkd.toml \\- the configuration of a central, with every key that there is",
        f".SH DESCRIPTION\n.nf\n{_text(sample.rstrip())}\n.fi",
        f".SH SEE ALSO\n{_text('zparkd(8), zparkctl(1), zparkctl-config-check(1)')}",
    ]
    return Page("zparkd.toml", 5, "\n".join(parts) + "\n")


def main(folder: Path) -> None:
    """Write all pages below a directory, in the places that `man` looks at."""
    for page in pages():
        place = folder / f"man{page.section}"
        place.mkdir(parents=True, exist_ok=True)
        (place / page.file).write_text(page.text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
