"""`zparkctl completion`: the script with which a shell completes zparkctl's command lines."""

import click

_HOW = {
    "bash": 'eval "$(zparkctl completion bash)"    in ~/.bashrc',
    "zsh": 'eval "$(zparkctl completion zsh)"     in ~/.zshrc, after compinit',
    "fish": "zparkctl completion fish > ~/.config/fish/completions/zparkctl.fish",
}


@click.command(epilog="Example: zparkctl completion bash >> ~/.bashrc")
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(list(_HOW)))
def completion(shell: str) -> None:
    """Print the script that has a shell complete zparkctl's commands and options.

    \b
    bash   eval "$(zparkctl completion bash)"    in ~/.bashrc
    zsh    eval "$(zparkctl completion zsh)"     in ~/.zshrc, after compinit
    fish   zparkctl completion fish > ~/.config/fish/completions/zparkctl.fish
    """
    from click.shell_completion import get_completion_class

    made_by = get_completion_class(shell)
    assert made_by is not None, "click knows all three"
    root = click.get_current_context().find_root().command
    click.echo(f"# {_HOW[shell]}")
    click.echo(made_by(root, {}, "zparkctl", "_ZPARKCTL_COMPLETE").source())
