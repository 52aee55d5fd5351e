"""``saccade completion``: a script that completes verbs and options in a shell."""

from importlib import import_module

import tyro
from tyro.conf import FlagCreatePairsOff

from saccade.cli.arguments import Shell
from saccade.cli.help import Help
from saccade.core.errors import unknown

SHELLS = ("bash", "zsh", "fish")
HELP = Help(
    usage="SHELL",
    arguments=("shell",),
    groups={},
    examples={
        "In bash, now and in every new terminal": (
            'eval "$(saccade completion bash)"',
            "echo 'eval \"$(saccade completion bash)\"' >> ~/.bashrc",
        ),
        "In fish": "saccade completion fish > ~/.config/fish/completions/saccade.fish",
    },
)


def completion(shell: Shell) -> None:
    """Print a script that completes verbs and options in your shell.

    Args:
        shell: bash, zsh or fish.
    """
    from saccade.cli.main import VERBS

    if shell not in SHELLS:
        raise unknown("shell", shell, SHELLS)
    verbs = {name: getattr(import_module(module), name) for name, (module, _) in VERBS.items()}
    tyro.extras.subcommand_cli_from_dict(
        verbs, prog="saccade", args=["--tyro-print-completion", shell], config=(FlagCreatePairsOff,)
    )
