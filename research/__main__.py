"""``python -m research STUDY --out DIR``: train, measure and store one study."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module

import tyro

from saccade.cli.console import OUT, importing
from saccade.cli.failures import exit_status, missing_packages
from saccade.core.errors import unknown

PROGRAM = "python -m research"

STUDIES: Mapping[str, tuple[str, str]] = {
    "clips": ("research.clips.run", "does one set of latents for picture, sound and text beat each of them alone?"),
    "compression": ("research.compression.run", "how many text tokens can one visual token carry on a printed page?"),
    "digits": ("research.digits.run", "how well does a small Perceiver IO tell handwritten digits?"),
    "exits": ("research.exits.run", "what does a tower gain by answering early when it is confident?"),
    "few-shot": ("research.few_shot.run", "do examples in the prompt help a reader that was trained on them?"),
    "fixations": ("research.fixations.run", "does choosing where to look beat random and central looks?"),
}
"""The entry module of each study, and its question. The function ``command`` of the module is what runs; only the one
that is asked for is imported.
"""


def main() -> None:
    """Run one study, or list all."""
    arguments = sys.argv[1:]
    with exit_status(PROGRAM):
        if not arguments or arguments[0] in ("-h", "--help"):
            _help()
        else:
            _run(arguments[0], arguments[1:])


def _run(study: str, arguments: list[str]) -> None:
    if study not in STUDIES:
        raise unknown("study", study, STUDIES)
    with missing_packages(f"{PROGRAM} {study}", own=("saccade", "research")):
        with importing():
            command: Callable[..., None] = import_module(STUDIES[study][0]).command
        tyro.cli(command, prog=f"{PROGRAM} {study}", args=arguments)


def _help() -> None:
    OUT.print(
        f"usage: {PROGRAM} STUDY --out DIR …    {PROGRAM} STUDY --help says more\n", highlight=False, markup=False
    )
    for name, (_, question) in STUDIES.items():
        OUT.print(f"  {name:<12} {question}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
