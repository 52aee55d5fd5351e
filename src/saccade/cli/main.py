"""The command line: arguments in, tables and paths out.

Exit status: 0 done, 1 the answer is no, 2 bad input.
"""

import gc
import sys
from collections.abc import Callable, Mapping
from importlib import import_module

import tyro

from saccade.cli.console import ERR, OUT
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
    "train": ("saccade.cli.compare", "train the embedded family by a recipe, or one of its connectors anew"),
    "serve": ("saccade.cli.serve", "a reader behind the API that OpenAI's clients speak"),
    "models": ("saccade.cli.models", "the catalogue: every model with its stages and its fidelity mark"),
}
"""Where each verb lies, and what it does: only the one that is asked for is imported, since most bring torch."""


def main() -> None:
    """Run one verb."""
    arguments = sys.argv[1:]
    try:
        if not arguments or arguments[0] in ("-h", "--help"):
            _help()
        elif arguments[0] == "--version":
            OUT.print(__version__, highlight=False)
        else:
            tyro.cli(_verb(arguments[0]), prog=f"saccade {arguments[0]}", args=arguments[1:])
    except SaccadeError as error:
        ERR.print(f"saccade: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _verb(name: str) -> Callable[..., None]:
    if name not in VERBS:
        raise unknown("verb", name, VERBS)
    gc.disable()  # imports leave little garbage, and searching all that they bring for it takes a sixth of their time
    try:
        return getattr(import_module(VERBS[name][0]), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "saccade":
            raise
        raise SaccadeError(f"saccade {name} needs {error.name}: pip install 'saccade[run]'") from error
    finally:
        gc.enable()


def _help() -> None:
    OUT.print(TAGLINE, highlight=False)
    OUT.print("\nusage: saccade VERB …    saccade VERB --help says more\n", highlight=False)
    for name, (_, what) in VERBS.items():
        OUT.print(f"  {name:<9} {what}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
