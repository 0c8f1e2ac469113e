"""``imgfetch completion``."""

from __future__ import annotations

import click

from imgfetch.cli import output
from imgfetch.cli.completion.script import SHELLS, script


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print a shell's script for completion: of commands, options, files and names in the store.

    For bash: source <(imgfetch completion bash), in ~/.bashrc. For zsh the same in ~/.zshrc, after
    compinit. For fish: imgfetch completion fish > ~/.config/fish/completions/imgfetch.fish.

    Names are those of the store that --store on the line, IMGFETCH_STORE or the configuration
    file name. The store is only read, and no registry is asked.
    """
    output.drawn(script(shell).splitlines())
