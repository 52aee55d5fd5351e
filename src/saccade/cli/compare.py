"""``saccade compare``: accuracy against visual tokens."""

import gc

from saccade.cli.arguments import Device, Dtype, Name, Names, Number, Numbers, Place, Real, Whole, Word, Words
from saccade.cli.console import OUT, Reporter, bar, importing, numbers, split
from saccade.cli.help import Help

HELP = Help(
    usage="[OPTIONS]",
    groups={
        "questions": ("data", "pictures", "hint", "metric", "extract"),
        "models and policies": ("models", "families", "policies", "calibration"),
        "budgets and costs": ("budgets", "within_loss", "price_per_million", "twin", "seed"),
        "where models run": ("device", "dtype"),
        "output": ("out", "fresh", "retry_failed", "json"),
    },
    examples={
        "The embedded readers on the generated benchmark, with a report": "saccade compare --out out/embedded",
        "A server on your own questions, at three sizes of image; the cheapest that loses at most 2 points": (
            "saccade compare --data mine.jsonl --models http://localhost:8000/v1 --twin qwen2.5-vl-7b "
            "--budgets 256,512,1024 --within-loss 2 --out out/mine"
        ),
        "A policy that zooms, against smaller images with as many tokens": (
            "saccade compare --models llava --policies zoom-attention --out out/zoom"
        ),
    },
)


def compare(
    data: Name = None,
    models: Names = None,
    families: Names = None,
    budgets: Numbers = None,
    out: Place = None,
    pictures: Number = None,
    seed: Whole = 0,
    policies: Names = None,
    calibration: Name = None,
    hint: Words = "",
    metric: Name = None,
    extract: Word = "auto",
    device: Device = "auto",
    dtype: Dtype = "auto",
    twin: Name = None,
    within_loss: Real = None,
    price_per_million: Real = None,
    fresh: bool = False,
    retry_failed: bool = False,
    json: bool = False,
) -> None:
    """Compare accuracy against visual tokens: models × budgets, with honest baselines.

    With --out, every answer is written as it comes: the same command resumes one that was stopped.

    Args:
        data: Your own questions: a .jsonl of {image, question, answer}, a LLaVA .json, a folder with a .csv, or a
            benchmark of another package (package/name). Without it, the generated benchmark is asked.
        models: Models separated by commas: embedded readers by name, checkpoint folders or Hub ids, and servers by URL
            (http://host:8000/v1, with #name behind it where several are served). Without it, every embedded reader.
        families: Folders that saccade train wrote with other seeds, separated by commas: pooled with the embedded ones.
        budgets: Visual tokens of the baselines, separated by commas, such as 256,512,1024. Without it 64,16,4 for
            embedded readers, and a quarter and a sixteenth of what any other model takes.
        out: Folder for report.html, results.json and answers.jsonl.
        pictures: How many pictures of the generated benchmark, 160 unless given; not with --data.
        seed: Seed of the random baseline.
        policies: Looking policies to compare as well (ladder, zoom-attention, …, or YAML files), separated by commas:
            on the models named, or on llava. --out then holds policies.json, policies.svg and each fitted ladder too.
        calibration: Questions to fit ladders to, as data above. Without it, the generated one's calibration split.
        hint: Suffix of every prompt, such as "Answer with one word.".
        metric: How answers are marked: exact, choice, anls, vqa, relaxed, contains, iou or iou@0.5; exact unless given.
            A question that names one keeps its own.
        extract: What of a chatty reply is marked: auto (by the metric), none, choice, number.
        device: Where models run; auto is a GPU where there is one.
        dtype: Numbers that models compute in; auto is as they were saved.
        twin: For servers: the published model or folder whose plan says how many visual tokens an image takes there.
        within_loss: Name the cheapest budget that loses at most so many points, such as 2.
        price_per_million: Price of a million prompt tokens, such as 2.5, for a cost column.
        fresh: Ask every question again, whatever answers are kept from earlier comparisons or stand in --out.
        retry_failed: Ask the questions in --out again that got no answer.
        json: Print the results as JSON instead of a table.
    """
    with importing():
        from saccade.api import comparing as api
    from saccade.cli.tables import print_comparison

    gc.freeze()  # what was imported stays to the end, and need not be searched for garbage
    with bar() as shown:
        found = api.compare(
            data,
            models=None if models is None else split(models),
            families=() if families is None else split(families),
            budgets=None if budgets is None else numbers(budgets, "--budgets"),
            out=out,
            pictures=pictures,
            seed=seed,
            policies=() if policies is None else split(policies),
            calibration=calibration,
            hint=hint,
            metric=metric,
            extract=extract,
            device=device,
            dtype=dtype,
            twin=twin,
            within_loss=within_loss,
            price_per_million=price_per_million,
            fresh=fresh,
            retry_failed=retry_failed,
            progress=Reporter(shown),
        )
    if json:
        OUT.out(found.results.to_json(), highlight=False)
        return
    print_comparison(found)
