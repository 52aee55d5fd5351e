"""The command line: arguments in, tables and paths out.

Exit status: 0 done, 1 the answer is no, 2 bad input.
"""

import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module

import tyro
from tyro.conf import FlagCreatePairsOff

from saccade.cli.console import ERR, OUT
from saccade.cli.help import help_of
from saccade.core.errors import SaccadeError, unknown
from saccade.core.version import __version__

TAGLINE = "saccade decides how many tokens an image deserves, and proves what you lose."

VERBS: Mapping[str, tuple[str, str]] = {
    "plan": (
        "saccade.cli.plan",
        "what pictures, pages and videos cost on every model, and what fits; needs no weights",
    ),
    "ask": ("saccade.cli.ask", "answer a question about a picture by any model and policy, and show where it looked"),
    "compare": ("saccade.cli.compare", "accuracy against visual tokens: readers × budgets, with honest baselines"),
    "train": ("saccade.cli.train", "train the embedded family by a recipe, or one of its connectors anew"),
    "exam": ("saccade.cli.exam", "one image of the generated benchmark, its questions and answers, to try ask on"),
    "serve": ("saccade.cli.serve", "a reader behind the API that OpenAI's clients speak"),
    "models": ("saccade.cli.models", "the catalogue: every model with its stages and its fidelity mark"),
    "completion": ("saccade.cli.completion", "a script that completes verbs and options in your shell"),
}
"""Where each verb lies, and what it does. Only the one that is asked for is imported, and what it runs on, such as
torch, only once it runs: help is there at once.
"""

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "api": ("openai", "httpx2"),
    "serve": ("fastapi", "starlette", "uvicorn"),
    "media": ("av", "pypdfium2"),
}
"""Modules by the extra that installs them; every other one comes with ``saccade[run]``."""


def main() -> None:
    """Run one verb."""
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["help"]:
            arguments = [*_one_verb(arguments[1:]), "--help"]
        if not arguments or arguments[0] in ("-h", "--help"):
            _help()
        elif arguments[0] in ("-V", "--version"):
            OUT.print(__version__, highlight=False)
        else:
            _run(arguments[0], arguments[1:])
    except SaccadeError as error:
        ERR.print(f"saccade: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read the output has left, as head does; there is nobody to complain to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _run(verb: str, arguments: list[str]) -> None:
    if verb not in VERBS:
        raise unknown("verb", verb, VERBS)
    try:
        module = import_module(VERBS[verb][0])
        run: Callable[..., None] = getattr(module, verb)
        if "--help" in arguments or "-h" in arguments:
            OUT.print(help_of(verb, run, module.HELP), highlight=False, markup=False, soft_wrap=True)
        else:
            tyro.cli(run, prog=f"saccade {verb}", args=arguments, config=(FlagCreatePairsOff,))
    except ModuleNotFoundError as error:
        package = "" if error.name is None else error.name.split(".")[0]
        if package in ("", "saccade"):
            raise
        extra = next((extra for extra, packages in EXTRAS.items() if package in packages), "run")
        raise SaccadeError(f"saccade {verb} needs {package}: pip install 'saccade[{extra}]'") from error


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
