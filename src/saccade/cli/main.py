"""The command line: arguments in, tables and paths out. Exit statuses are those of ``saccade.cli.failures``."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module

import tyro
from tyro.conf import FlagCreatePairsOff

from saccade.cli.console import OUT
from saccade.cli.failures import exit_status, missing_packages
from saccade.cli.help import help_of
from saccade.core.errors import SaccadeError, unknown
from saccade.core.version import __version__

TAGLINE = "saccade decides how many tokens an image deserves, and proves what you lose."

VERBS: Mapping[str, tuple[str, str]] = {
    "plan": (
        "saccade.cli.plan",
        "what images, pages and videos cost on every model, and what fits; needs no weights",
    ),
    "ask": ("saccade.cli.ask", "answer a question about an image by any model and policy, and show where it looked"),
    "compare": ("saccade.cli.compare", "accuracy against visual tokens: models × budgets, with honest baselines"),
    "train": ("saccade.cli.train", "train the embedded family by a recipe, or one of its connectors from scratch"),
    "exam": ("saccade.cli.exam", "one image of the generated benchmark, its questions and answers, to try ask on"),
    "serve": ("saccade.cli.serve", "a model behind the API that OpenAI's clients speak"),
    "models": ("saccade.cli.models", "the catalogue: every model with its stages and its fidelity mark"),
    "completion": ("saccade.cli.completion", "a script that completes verbs and options in your shell"),
}
"""Where each verb lies, and what it does. Only the one that is asked for is imported, and what it runs on, such as
torch, only once it runs: help is there at once.
"""


def main() -> None:
    """Run one verb."""
    arguments = sys.argv[1:]
    with exit_status("saccade"):
        if arguments[:1] == ["help"]:
            arguments = [*_one_verb(arguments[1:]), "--help"]
        if not arguments or arguments[0] in ("-h", "--help"):
            _help()
        elif arguments[0] in ("-V", "--version"):
            OUT.print(__version__, highlight=False)
        else:
            _run(arguments[0], arguments[1:])


def _run(verb: str, arguments: list[str]) -> None:
    if verb not in VERBS:
        raise unknown("verb", verb, VERBS)
    with missing_packages(f"saccade {verb}"):
        module = import_module(VERBS[verb][0])
        run: Callable[..., None] = getattr(module, verb)
        if "--help" in arguments or "-h" in arguments:
            OUT.print(help_of(verb, run, module.HELP), highlight=False, markup=False, soft_wrap=True)
        else:
            tyro.cli(run, prog=f"saccade {verb}", args=arguments, config=(FlagCreatePairsOff,))


def _one_verb(arguments: list[str]) -> list[str]:
    """The verb to explain, none for all of them."""
    if len(arguments) > 1:
        raise SaccadeError(f"saccade help takes one verb, got {' '.join(arguments)}; try: saccade help {arguments[0]}")
    return arguments


def _help() -> None:
    OUT.print(TAGLINE, highlight=False)
    OUT.print("\nusage: saccade VERB …", highlight=False)
    OUT.print("       saccade help VERB, or saccade VERB --help: one verb, with examples", highlight=False)
    OUT.print("       saccade -V, or saccade --version\n", highlight=False)
    for name, (_, what) in VERBS.items():
        OUT.print(f"  {name:<11} {what}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
