"""`zparkctl`: the group of commands, and nothing of any of them.

A command's module is imported only when it is called, so that each starts fast.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from zparkd import __version__
from zparkd.cli.output import colour_wanted

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class _Where(NamedTuple):
    """The module and attribute of a command, and its line in the help."""

    module: str
    attribute: str
    summary: str


COMMANDS = {
    "audit": _Where("zparkd.cli.commands.look.audit", "audit", "Who did what, when and why."),
    "backup": _Where(
        "zparkd.cli.commands.upkeep.backup", "backup", "Copy the database while all goes on."
    ),
    "bundle": _Where(
        "zparkd.cli.commands.upkeep.bundle", "bundle", "Carry events by hand over a gap."
    ),
    "completion": _Where(
        "zparkd.cli.commands.upkeep.completion", "completion", "Have a shell complete commands."
    ),
    "config": _Where(
        "zparkd.cli.commands.upkeep.config_", "config", "Check, show and import the configuration."
    ),
    "conflicts": _Where(
        "zparkd.cli.commands.look.conflicts", "conflicts", "What a person should look at."
    ),
    "doctor": _Where(
        "zparkd.cli.commands.upkeep.doctor", "doctor", "What is wrong here, and what mends it."
    ),
    "edge": _Where(
        "zparkd.cli.commands.gate.edge", "edge", "Act as a camera, for trying things out."
    ),
    "export": _Where(
        "zparkd.cli.commands.upkeep.export", "export", "All events or stays, as a file."
    ),
    "history": _Where(
        "zparkd.cli.commands.look.history", "history", "Who came and went, newest first."
    ),
    "import": _Where(
        "zparkd.cli.commands.upkeep.import_", "import_", "Take over the earlier system's past."
    ),
    "incidents": _Where(
        "zparkd.cli.commands.look.incidents", "incidents", "The story of each cut."
    ),
    "invite": _Where(
        "zparkd.cli.commands.site.invite", "invite", "A token with which another machine joins."
    ),
    "join": _Where(
        "zparkd.cli.commands.site.join", "join", "Make this machine a member, by a token."
    ),
    "keygen": _Where(
        "zparkd.cli.commands.upkeep.keygen", "keygen", "Make a secret key, or show its public key."
    ),
    "member": _Where(
        "zparkd.cli.commands.site.member", "member", "Whose records count: disown and restore."
    ),
    "pass": _Where("zparkd.cli.commands.site.pass_", "pass_", "Who leaves without paying."),
    "peer": _Where(
        "zparkd.cli.commands.site.peer", "peer", "List, add, remove and test other centrals."
    ),
    "policy": _Where(
        "zparkd.cli.commands.site.policy", "policy", "What gates do: set, show and check a policy."
    ),
    "reload": _Where(
        "zparkd.cli.commands.upkeep.reload", "reload", "Have the daemon read its configuration."
    ),
    "report": _Where(
        "zparkd.cli.commands.look.report", "report", "What a time came to: traffic, money, a shift."
    ),
    "restore": _Where(
        "zparkd.cli.commands.upkeep.restore", "restore", "Make a backup the database again."
    ),
    "setup": _Where(
        "zparkd.cli.commands.upkeep.setup", "setup", "Make this machine run zparkd as a service."
    ),
    "staff": _Where("zparkd.cli.commands.site.staff", "staff", "Who may override a refusal."),
    "status": _Where(
        "zparkd.cli.commands.look.status", "status", "Is it well? This central and its peers."
    ),
    "sync": _Where(
        "zparkd.cli.commands.look.sync", "sync", "Is all that is known of here? Wait for it."
    ),
    "sync-state": _Where(
        "zparkd.cli.commands.look.sync_state",
        "sync_state",
        "Up to when each peer's events are here.",
    ),
    "tail": _Where("zparkd.cli.commands.look.tail", "tail", "Events as they arrive here."),
    "tariff": _Where(
        "zparkd.cli.commands.site.tariff", "tariff", "What stays cost: set, show and try a tariff."
    ),
    "top": _Where(
        "zparkd.cli.commands.look.top", "top", "A live screen: status, rates, who came and went."
    ),
    "vehicle": _Where(
        "zparkd.cli.commands.gate.vehicle",
        "vehicle",
        "All that is known of one, and what was otherwise.",
    ),
    "verify": _Where(
        "zparkd.cli.commands.look.verify", "verify", "Is the log whole, and as the peers have it?"
    ),
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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem

        commands = [
            CompletionItem(name, help=COMMANDS[name].summary)
            for name in sorted(COMMANDS)
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

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
    epilog="Example: zparkctl -c /etc/zparkd/zparkd.toml status",
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
    from zparkd.config.load import default_path

    ctx.obj = file or default_path()
    ctx.color = colour_wanted()


if __name__ == "__main__":
    main(prog_name="zparkctl")
