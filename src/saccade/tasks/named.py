"""Benchmarks of other packages, by name."""

from saccade.core.errors import SaccadeError
from saccade.core.registry.plugins import plugin
from saccade.tasks.exam import Exam


def named_exam(name: str) -> Exam:
    """The benchmark that another package registers as ``name`` (``package/name``) in the group ``saccade.exams``.

    The entry point is a callable without arguments that returns an ``Exam``, or is one. Raises SaccadeError for names
    that no installed package brings, and for what is no benchmark.
    """
    found = plugin("saccade.exams", name)
    if isinstance(found, Exam) and not isinstance(found, type):
        return found
    if not callable(found):
        raise SaccadeError(
            f"benchmark {name!r} is {found!r}; register a callable that returns a saccade.tasks.exam.Exam"
        )
    try:
        made = found()
    except SaccadeError:
        raise
    except Exception as error:
        raise SaccadeError(
            f"benchmark {name!r} cannot be made: {type(error).__name__}: {error}; it is called without arguments"
        ) from error
    if not isinstance(made, Exam):
        raise SaccadeError(
            f"benchmark {name!r} returned {made!r}; return an object with a name, a length and pictures to iterate over"
        )
    return made
