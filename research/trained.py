"""Studies that train by a recipe: from the recipe to the files, and the command that does so.

Such a study is a folder with ``recipe.yaml`` and a module ``run.py`` that names a ``TrainedStudy``. Models are trained
and measured on the CPU in float32, so that two runs of a recipe are one run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar, final

from rich.table import Table

from saccade.api.comparing import results_folder
from saccade.cli.arguments import Changes
from saccade.cli.console import OUT, Stages, bar
from saccade.core.interface.progress import StageProgress
from saccade.training.loop import Schedule
from saccade.training.recipe import claim, read_recipe

Recipe = TypeVar("Recipe")


@final
@dataclass(frozen=True, slots=True)
class Measured:
    """What a study found: a ``table`` for the terminal, and the ``files`` that it wrote."""

    table: Table
    files: tuple[Path, ...]


@final
@dataclass(frozen=True, slots=True)
class TrainedStudy(Generic[Recipe]):
    """A study of some ``name``, the class of its ``recipe``, and ``measure``, which trains and measures by one.

    ``measure`` takes the recipe, the folder for checkpoints and results, and what is told of progress; it resumes from
    what lies in the folder. ``parts`` are classes by kind that a recipe holds beside schedules.
    """

    name: str
    recipe: type[Recipe]
    measure: Callable[[Recipe, Path, StageProgress], Measured]
    parts: dict[str, type] = field(default_factory=dict[str, type])

    def read(self, changes: Sequence[str] = ()) -> tuple[Recipe, dict[str, object]]:
        """The recipe that ships with ``a.b=c`` changes, and as plain data. Raises SaccadeError for bad changes."""
        path = Path(__file__).parent / self.name / "recipe.yaml"
        recipe, data = read_recipe(path, {self.name: self.recipe, "schedule": Schedule, **self.parts}, changes)
        assert isinstance(recipe, self.recipe)
        return recipe, data

    def run(
        self,
        out: str | Path,
        changes: Sequence[str] = (),
        *,
        tell: StageProgress | None = None,
        announce: Callable[[str], object] | None = None,
    ) -> Measured:
        """Train, measure and store in the folder ``out``, beside the recipe with all changes.

        ``tell`` is told of the stages' progress, ``announce`` is called with the recipe. Raises SaccadeError, before
        anything is written, for bad changes, a file in the place of ``out``, and a folder with a run of another recipe.
        """
        folder = results_folder(out)
        assert folder is not None
        recipe, data = self.read(changes)
        resolved = claim(folder, data)
        if announce is not None:
            announce(resolved)
        return self.measure(recipe, folder, tell or StageProgress())

    @property
    def command(self) -> Callable[..., None]:
        """What ``python -m research`` runs."""

        def study(out: Path, set: Changes = ()) -> None:
            """Train the models of this study by its recipe, measure them, and store what was measured.

            Args:
                out: Folder for checkpoints and results; a run that was stopped resumes from there.
                set: A change to the recipe, such as schedule.steps=100; may be given several times.
            """
            with bar() as shown:
                found = self.run(out, set, tell=Stages(shown), announce=OUT.print)
            OUT.print(found.table)
            print_files(found.files)

        return study


def print_files(files: Sequence[Path]) -> None:
    """Name the files that were written."""
    for path in files:
        OUT.print(f"wrote {path}", highlight=False, soft_wrap=True)
