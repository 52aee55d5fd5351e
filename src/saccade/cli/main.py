"""The command line: arguments in, tables and paths out.

Exit status: 0 done, 1 the answer is no, 2 bad input.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tyro.conf import Positional, arg

from saccade import api
from saccade.core.errors import SaccadeError

TAGLINE = "Decides how many tokens an image deserves, and proves what you lose."
OUT = Console()
ERR = Console(stderr=True)


def compare(
    data: Path | None = None,
    models: str | None = None,
    families: str | None = None,
    budgets: str = "64,16,4",
    out: Path | None = None,
    pictures: int = api.PICTURES,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Accuracy against visual tokens: readers × budgets, with honest baselines.

    Args:
        data: Your own questions: a .jsonl of {image, question, answer}, a LLaVA .json, or a folder with a .csv.
            Without it, the generated exam is asked.
        models: Readers, by name or checkpoint folder, separated by commas. Without it, every embedded reader.
        families: Folders that saccade train wrote with other seeds, separated by commas: pooled with the embedded ones.
        budgets: Visual tokens of the baseline rows, square numbers separated by commas.
        out: Folder for report.html and results.json.
        pictures: How many pictures of the generated exam.
        seed: Seed of the random baseline.
        json: Print the results as JSON instead of a table.
    """
    with _bar() as bar:
        tasks: dict[str, object] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done)  # type: ignore[arg-type]

        found = api.compare(
            data,
            models=None if models is None else _split(models),
            families=() if families is None else _split(families),
            budgets=_numbers(budgets, "--budgets"),
            out=out,
            pictures=pictures,
            seed=seed,
            progress=progress,
        )
    if json:
        OUT.out(found.results.to_json(), highlight=False)
        return
    _tell(found)


def train(
    recipe: Positional[str] = "",
    demo: str | None = None,
    out: Path = Path("out/train"),
    set: Annotated[tuple[str, ...], arg(metavar="A.B=C")] = (),
) -> None:
    """Train the embedded family by a recipe, or one of its connectors anew.

    Args:
        recipe: A shipped recipe's name (embedded) or a YAML file.
        demo: A connector to train again from nothing in a few minutes, such as resampler; its point is drawn beside
            the shipped one's.
        out: Folder for checkpoints; a run that was stopped goes on from there.
        set: Changes to the recipe, such as vision.steps=100.
    """
    if bool(recipe) == (demo is not None):
        raise SaccadeError("name a recipe or --demo a connector, one of the two; try: saccade train --demo resampler")
    with _bar() as bar:
        tell = _Teller(bar)
        if demo is None:
            folder = api.train(recipe, out=out, changes=set, tell=tell, announce=OUT.print)
            OUT.print(f"wrote {folder}", highlight=False, soft_wrap=True)
            return
        found = api.train_demo(demo, out=out, tell=tell)
    _tell(found)


def models() -> None:
    """The catalogue: every reader with its fidelity mark."""
    OUT.print(api.catalogue())


def main() -> None:
    """Run one verb."""
    verbs: Mapping[str, Callable[..., None]] = {"compare": compare, "train": train, "models": models}
    try:
        tyro.extras.subcommand_cli_from_dict(dict(verbs), prog="saccade", description=TAGLINE)
    except SaccadeError as error:
        ERR.print(f"saccade: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _tell(found: api.Compared) -> None:
    """The tables, then the files."""
    OUT.print(api.table(found.results))
    prints = api.print_table(found.results)
    if prints is not None:
        OUT.print(prints)
    OUT.print(f"compared in {found.results.seconds:.0f} s", highlight=False)
    for path in found.files:
        OUT.print(f"wrote {path}", highlight=False, soft_wrap=True)


class _Teller(api.Tell):
    """Progress of training stages, the last loss beside the bar."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar

    def __call__(self, stage: str, steps: int) -> Callable[[int, Mapping[str, float]], None]:
        task = self.bar.add_task(stage, total=steps)

        def report(step: int, terms: Mapping[str, float]) -> None:
            loss = f" · loss {sum(terms.values()):.3f}" if terms else ""
            self.bar.update(task, completed=step, description=f"{stage}{loss}")

        return report


def _bar() -> Progress:
    """A progress display on standard error; silent where no terminal watches."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=ERR, disable=not ERR.is_terminal)


def _split(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise SaccadeError(f"expected names separated by commas, got {text!r}")
    return names


def _numbers(text: str, flag: str) -> list[int]:
    try:
        return [int(part) for part in _split(text)]
    except ValueError as error:
        raise SaccadeError(f"{flag} takes whole numbers separated by commas, got {text!r}") from error


if __name__ == "__main__":
    main()
