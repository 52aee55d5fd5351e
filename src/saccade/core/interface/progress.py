"""How long work says how far it is."""

from collections.abc import Callable, Mapping

Progress = Callable[[str, int, int], None]
"""Called with what is done by name, how many of it are done, and of how many."""
Report = Callable[[int, Mapping[str, float]], None]
"""Called after every step of training with its number, from 1, and the terms of the loss."""


class StageProgress:
    """Makes the report of a stage of training: called with its name and its number of steps."""

    def __call__(self, stage: str, steps: int) -> Report:
        """A report that says nothing."""
        del stage, steps
        return _silent


def _silent(step: int, terms: Mapping[str, float]) -> None:
    del step, terms
