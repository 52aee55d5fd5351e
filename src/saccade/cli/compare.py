"""``saccade compare`` and ``saccade train``."""

import gc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from rich.progress import Progress
from tyro.conf import Positional, UseAppendAction, arg

from saccade.api import comparing as api
from saccade.api import training
from saccade.cli.console import OUT, Reporter, bar, split
from saccade.core.errors import SaccadeError


def compare(
    data: Path | None = None,
    models: str | None = None,
    families: str | None = None,
    budgets: str = "64,16,4",
    out: Path | None = None,
    pictures: int = api.PICTURES,
    seed: int = 0,
    shots: str | None = None,
    policies: str | None = None,
    calibration: Path | None = None,
    hint: str = "",
    json: bool = False,
) -> None:
    """Accuracy against visual tokens: readers × budgets, with honest baselines.

    Args:
        data: Your own questions: a .jsonl of {image, question, answer}, a LLaVA .json, or a folder with a .csv.
            Without it, the generated exam is asked.
        models: Models separated by commas: embedded readers by name, checkpoint folders or Hub ids, and servers by URL
            (http://host:8000/v1, with #name behind it where several are served). Without it, every embedded reader.
        families: Folders that saccade train wrote with other seeds, separated by commas: pooled with the embedded ones.
        budgets: Visual tokens of the baseline rows, square numbers separated by commas.
        out: Folder for report.html and results.json.
        pictures: How many pictures of the generated exam.
        seed: Seed of the random baseline, or of the choice of examples.
        shots: Numbers of examples in the prompt, separated by commas (0,1,2,4,8): the few-shot study instead, of
            flamingo and its twin without episodes unless models are named; writes shots.json and shots.svg.
        policies: Looking policies to compare as well (ladder, zoom-attention, …, or YAML files), separated by commas:
            on the models named, or on llava. --out then holds policies.json, policies.svg and each fitted ladder too.
        hint: Put behind every question, such as "Answer with one word.": an answer counts as right where it says
            nothing else, and models that were tuned to chat say more.
        calibration: Questions to fit ladders to, as data above. Without it, the generated exam's calibration split.
        json: Print the results as JSON instead of a table.
    """
    if shots is not None:
        _few_shot(_numbers(shots, "--shots"), models, data, out, pictures, seed, json)
        return
    gc.freeze()  # what was imported stays to the end, and need not be searched for garbage
    with bar() as shown:
        found = api.compare(
            data,
            models=None if models is None else split(models),
            families=() if families is None else split(families),
            budgets=_numbers(budgets, "--budgets"),
            out=out,
            pictures=pictures,
            seed=seed,
            policies=() if policies is None else split(policies),
            calibration=calibration,
            hint=hint,
            progress=Reporter(shown),
        )
    if json:
        OUT.out(found.results.to_json(), highlight=False)
        return
    _tell(found)


def _few_shot(
    counts: list[int], models: str | None, data: Path | None, out: Path | None, pictures: int, seed: int, json: bool
) -> None:
    if data is not None:
        raise SaccadeError("the few-shot study asks the generated exam; leave out --data or --shots")
    named = api.SHOWN_EXAMPLES if models is None else tuple(split(models))
    with bar() as shown:
        found, files = api.few_shot(
            named, counts=counts, out=out, pictures=pictures, seed=seed, progress=Reporter(shown)
        )
    if json:
        OUT.out(found.to_json(), highlight=False)
        return
    OUT.print(api.shots_table(found))
    for path in files:
        OUT.print(f"wrote {path}", highlight=False, soft_wrap=True)


def train(
    recipe: Positional[str] = "",
    demo: str | None = None,
    out: Path = Path("out/train"),
    set: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="A.B=C")] = (),
) -> None:
    """Train the embedded family or the models of a study by a recipe, or one connector anew.

    Args:
        recipe: A shipped recipe's name (embedded, clips, compression, digits, exits, fixations) or a YAML file.
        demo: A connector to train again from nothing in a few minutes, such as resampler; its point is drawn beside
            the shipped one's.
        out: Folder for checkpoints; a run that was stopped goes on from there.
        set: A change to the recipe, such as vision.steps=100; may be given several times.
    """
    if bool(recipe) == (demo is not None):
        raise SaccadeError("name a recipe or --demo a connector, one of the two; try: saccade train --demo resampler")
    with bar() as shown:
        tell = _Teller(shown)
        if demo is None:
            made = training.train(recipe, out=out, changes=set, tell=tell, announce=OUT.print)
            if made.study is not None:
                OUT.print(training.study_table(made.study))
            OUT.print(f"wrote {made.folder}", highlight=False, soft_wrap=True)
            return
        found = api.train_demo(demo, out=out, tell=tell)
    _tell(found)


def _tell(found: api.Compared) -> None:
    """The tables, then the files."""
    OUT.print(api.table(found.results))
    prints = api.print_table(found.results)
    if prints is not None:
        OUT.print(prints)
    if found.policies is not None:
        OUT.print(api.policies_table(found.policies))
        for cascade in found.policies.cascades:
            OUT.print(api.cascade_table(cascade))
    for fault in found.faults:
        OUT.print(fault, style="yellow", highlight=False, markup=False)
    OUT.print(f"compared in {found.results.seconds:.0f} s", highlight=False)
    for path in found.files:
        OUT.print(f"wrote {path}", highlight=False, soft_wrap=True)


class _Teller(training.Tell):
    """Progress of training stages, the last loss beside the bar."""

    def __init__(self, shown: Progress) -> None:
        self.shown = shown

    def __call__(self, stage: str, steps: int) -> Callable[[int, Mapping[str, float]], None]:
        task = self.shown.add_task(stage, total=steps)

        def report(step: int, terms: Mapping[str, float]) -> None:
            loss = f" · loss {sum(terms.values()):.3f}" if terms else ""
            self.shown.update(task, completed=step, description=f"{stage}{loss}")

        return report


def _numbers(text: str, flag: str) -> list[int]:
    try:
        return [int(part) for part in split(text)]
    except ValueError as error:
        raise SaccadeError(f"{flag} takes whole numbers separated by commas, got {text!r}") from error
