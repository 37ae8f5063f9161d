"""`zparkctl`: the group of commands, and nothing of any of them.

A command's module is imported only when it is called, so that each starts fast.
"""

from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import click

from zparkd import __version__
from zparkd.cli.tables import colour_wanted


class _Where(NamedTuple):
    """The module and attribute of a command, and its line in the help."""

    module: str
    attribute: str
    summary: str


COMMANDS = {
    "config": _Where("zparkd.cli.config_", "config", "Check and show the configuration."),
    "edge": _Where("zparkd.cli.edge", "edge", "Act as a camera, for trying things out."),
    "history": _Where("zparkd.cli.history", "history", "Who came and went, newest first."),
    "reload": _Where("zparkd.cli.reload", "reload", "Have the daemon read its configuration."),
    "status": _Where("zparkd.cli.status", "status", "Is it well? This central and its peers."),
}


class _LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        if (where := COMMANDS.get(cmd_name)) is None:
            return None
        command = getattr(import_module(where.module), where.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in sorted(COMMANDS)])


@click.group(
    cls=_LazyGroup,
    name="zparkctl",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "-c",
    "--config",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The configuration of the central.  [default: $ZPARKD_CONFIG or /etc/zparkd/zparkd.toml]",
)
@click.version_option(__version__, prog_name="zparkctl")
@click.pass_context
def main(ctx: click.Context, file: Path | None) -> None:
    """Look at and steer the zparkd central on this machine.

    Exit status: 0 done, 1 the answer is no, 2 wrong command line, 69 the daemon can't be
    reached, 78 bad configuration.
    """
    from zparkd.daemon.config import default_path

    ctx.obj = file or default_path()
    ctx.color = colour_wanted()


if __name__ == "__main__":
    main(prog_name="zparkctl")
