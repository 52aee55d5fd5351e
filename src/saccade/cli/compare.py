"""``saccade compare``: accuracy against visual tokens."""

import gc
from pathlib import Path

from saccade.cli.arguments import File, Names, Text
from saccade.cli.console import OUT, Reporter, bar, importing, split
from saccade.core.defaults import PICTURES
from saccade.core.errors import SaccadeError


def compare(
    data: File = None,
    models: Names = None,
    families: Names = None,
    budgets: str = "64,16,4",
    out: File = None,
    pictures: int = PICTURES,
    seed: int = 0,
    shots: Text = None,
    policies: Names = None,
    calibration: File = None,
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
    with importing():
        from saccade.api import comparing as api
    from saccade.cli.tables import print_comparison

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
    print_comparison(found)


def _few_shot(
    counts: list[int], models: str | None, data: Path | None, out: Path | None, pictures: int, seed: int, json: bool
) -> None:
    with importing():
        from saccade.api import comparing as api

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


def _numbers(text: str, flag: str) -> list[int]:
    try:
        return [int(part) for part in split(text)]
    except ValueError as error:
        raise SaccadeError(f"{flag} takes whole numbers separated by commas, got {text!r}") from error
