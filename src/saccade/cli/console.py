"""The two streams of the command line, and its progress display."""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from saccade.core.errors import SaccadeError
from saccade.core.interface.progress import StageProgress

WIDE = 140
"""Columns where no terminal says how many there are: tables in files and pipes are not folded."""


class Output(Console):
    """A console that raises ``BrokenPipeError`` where whoever read it has left; rich would exit with status 1."""

    def on_broken_pipe(self) -> None:
        """See ``Console``."""
        raise BrokenPipeError


OUT = Output(width=None if sys.stdout.isatty() else WIDE)
ERR = Console(stderr=True)


@contextmanager
def importing() -> Iterator[None]:
    """Import what is heavy: searching all of it for garbage, of which there is none, takes a sixth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def bar() -> Progress:
    """A progress display on standard error; silent where no terminal watches."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=ERR, disable=not ERR.is_terminal, transient=True)


class Reporter:
    """Progress by name: each name gets a bar of its own."""

    def __init__(self, shown: Progress) -> None:
        self.shown = shown
        self.tasks: dict[str, object] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        """``done`` of ``total`` under ``name``."""
        if name not in self.tasks:
            self.tasks[name] = self.shown.add_task(name, total=total)
        self.shown.update(self.tasks[name], completed=done)  # type: ignore[arg-type]


class Stages(StageProgress):
    """Progress of training stages, the last loss beside the bar."""

    def __init__(self, shown: Progress) -> None:
        self.shown = shown

    def __call__(self, stage: str, steps: int) -> Callable[[int, Mapping[str, float]], None]:
        """A bar for ``stage`` of so many ``steps``."""
        task = self.shown.add_task(stage, total=steps)

        def report(step: int, terms: Mapping[str, float]) -> None:
            loss = f" · loss {sum(terms.values()):.3f}" if terms else ""
            self.shown.update(task, completed=step, description=f"{stage}{loss}")

        return report


def split(text: str) -> list[str]:
    """Names separated by commas."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise SaccadeError(f"expected names separated by commas, got {text!r}")
    return names


def refuse(why: str, /, **options: object) -> None:
    """Raise SaccadeError for the first of ``options``, by its parameter's name, that is given: it would be ignored."""
    for name, value in options.items():
        if value not in (None, False, "", (), "auto"):
            raise SaccadeError(f"--{name.replace('_', '-')} {why}")


def numbers(text: str, flag: str) -> list[int]:
    """Whole numbers separated by commas, as given to ``flag``."""
    try:
        return [int(part) for part in split(text)]
    except ValueError as error:
        raise SaccadeError(f"{flag} takes whole numbers separated by commas, got {text!r}") from error
