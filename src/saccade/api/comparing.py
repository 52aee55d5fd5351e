"""Comparing as a function: what the command line and a notebook call.

Servers need ``saccade[api]`` alone: what computes here is imported when a model that runs here takes part.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from saccade.api.options import (
    check_calibration,
    check_pictures,
    check_switches,
)
from saccade.api.participants import REFERENCE, THIN, Participants
from saccade.backends.embedded.manifest import cards, is_embedded
from saccade.backends.placement import AUTO
from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import function, instance, listed, number, path, text, whole
from saccade.core.interface.arguments import seed as seed_of
from saccade.core.interface.defaults import PICTURES
from saccade.core.interface.progress import Progress
from saccade.core.records.files import write_whole
from saccade.core.records.recipe import to_dict
from saccade.evaluation.compare import Comparison, ComparisonPlan
from saccade.evaluation.compare import compare as run_compare
from saccade.evaluation.metrics.marking import Marking
from saccade.evaluation.policies import Policies
from saccade.evaluation.results import Results
from saccade.evaluation.storage.answer_cache import KeptAnswers
from saccade.evaluation.storage.journal import NAME as ANSWERS
from saccade.evaluation.storage.journal import FileJournal
from saccade.policies.base import Policy
from saccade.policies.catalogue import TYPES as POLICY_TYPES
from saccade.policies.catalogue import policy as named_policy
from saccade.policies.single_look import SingleLook
from saccade.tasks.data import read
from saccade.tasks.exam import Exam, Question
from saccade.tasks.hinted import hinted
from saccade.tasks.named import named_exam
from saccade.tasks.scenes import RESOLVABLE, Scenes
from saccade.views.open import open_picture

OWN_LOOK = "own-look"
"""What results call a ``SingleLook`` object among the policies."""
Metric = str | Callable[[str, Question], float]


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison left: its ``results``, what is said of ``policies`` where some were compared, the files if a
    folder was given, and ``faults``: which models left how many questions unanswered, and why.
    """

    results: Results
    files: tuple[Path, ...] = ()
    policies: Policies | None = None
    faults: tuple[str, ...] = ()


def compare(
    data: str | Path | Exam | None = None,
    *,
    models: Sequence[object] | None = None,
    families: Sequence[str | Path] = (),
    budgets: Sequence[int] | None = None,
    out: str | Path | None = None,
    pictures: int | None = None,
    seed: int = 0,
    policies: Sequence[str | Policy] = (),
    calibration: str | Path | Exam | None = None,
    hint: str = "",
    metric: Metric | None = None,
    extract: str = "auto",
    device: str = AUTO,
    dtype: str = AUTO,
    twin: str | None = None,
    within_loss: float | None = None,
    price_per_million: float | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
    progress: Progress | None = None,
) -> Compared:
    """Compare accuracy against visual tokens: ``models`` × budgets, with the resize, random and uniform baselines.

    Args:
        data: A JSONL, a LLaVA JSON, a folder with a CSV, a benchmark by name (``package/name``), or an ``Exam``;
            without it, ``pictures`` of the generated benchmark's test split.
        models: Embedded readers' names, or whatever ``open_model`` takes, objects too; all embedded readers unless
            given. Where an embedded reader takes part, the full-token one and the one trained for dropping do too,
            since their baselines are made from them; every other model has baselines of its own.
        families: Folders that ``train`` wrote: further training seeds, pooled with the embedded readers of their names.
        budgets: Visual tokens of the baselines: 64, 16 and 4 for embedded readers, a quarter and a sixteenth of what a
            model takes for others, unless given.
        out: A folder for ``results.json``, ``report.html``, ``answers.jsonl`` and what policies leave. Answers are
            written as they come: the same call resumes one that was stopped.
        pictures: How many pictures of the generated benchmark, 160 unless given; refused beside ``data``.
        seed: Of the random baseline.
        policies: Names, files or objects; they run on each of ``models``, on the full-token reader where none is named.
        calibration: What ladders are fitted to, as ``data``; the generated benchmark's calibration split unless given.
        hint: Stands behind every question.
        metric: How answers are marked: a name of ``evaluation.metrics`` or a function; exact unless given. Questions
            that name one keep theirs.
        extract: What of a reply is marked: ``auto`` (by the metric), ``none``, ``choice``, ``number``.
        device: Where models run: auto, cpu, cuda, mps.
        dtype: Numbers they compute in: auto (as saved), float32, bfloat16, float16.
        twin: For servers: the published model or folder whose plan says how many visual tokens an image takes there.
        within_loss: Name the cheapest budget that loses at most so many points.
        price_per_million: What a million prompt tokens cost, for a cost column.
        fresh: Ask every question again, whatever answers are kept or stand in ``out``.
        retry_failed: Ask questions again that got no answer.
        progress: Called with what is running, how much is done, and of how much.

    Raises SaccadeError for what cannot be compared, before anything is asked where that can be known.
    """
    folder = results_folder(out)
    _check(pictures, seed, hint, metric, extract, twin, progress)
    check_switches(fresh, retry_failed, folder)
    check_pictures(pictures, data)
    pictures = PICTURES if pictures is None else pictures
    marking = Marking(metric, extract)
    loss = _positive("within_loss", within_loss)
    price = _positive("price_per_million", price_per_million)
    exam = hinted(_exam(data, pictures, "test", marking), hint)
    with ExitStack() as held:
        store = None if fresh else held.enter_context(closing(KeptAnswers()))
        taking = held.enter_context(Participants(device, dtype, twin, store, families))
        labels = _calibration(data, calibration, pictures, marking)
        plan = _plan(
            exam,
            taking,
            models,
            budgets=budgets,
            seed=seed,
            policies=policies,
            calibration=None if labels is None else hinted(labels, hint),
            marking=marking,
            loss=None if loss is None else loss / 100,
            price=price,
            twin=twin or "",
            calibrated=calibration is not None,
        )
        with _journal(folder, plan, fresh=fresh, retry=retry_failed) as journal:
            compared = run_compare(plan, journal, progress)
    return stored(compared, folder)


def results_folder(out: str | Path | None) -> Path | None:
    """The folder for results. Raises SaccadeError where that is a file, before anything runs."""
    if out is None:
        return None
    folder = path("out", out)
    if folder.exists() and not folder.is_dir():
        raise SaccadeError(f"{folder} is a file, results go into a folder; name another with --out")
    return folder


def _check(
    pictures: object, seed: object, hint: object, metric: object, extract: object, twin: object, progress: object
) -> None:
    """Raises SaccadeError for arguments of ``compare`` of a wrong type."""
    if pictures is not None:
        whole("pictures", pictures, 1)
    seed_of("seed", seed)
    instance("hint", hint, str, "text")
    if metric is not None and not callable(metric):
        text("metric", metric)
    text("extract", extract)
    if twin is not None:
        text("twin", twin)
    if progress is not None:
        function("progress", progress)


def _plan(
    exam: Exam,
    taking: Participants,
    models: Sequence[object] | None,
    *,
    budgets: Sequence[int] | None,
    seed: int,
    policies: Sequence[str | Policy],
    calibration: Exam | None,
    marking: Marking,
    loss: float | None,
    price: float | None,
    twin: str,
    calibrated: bool,
) -> ComparisonPlan:
    if budgets is not None:
        budgets = [whole("a budget (visual tokens)", budget, 1) for budget in listed("budgets", budgets)]
    sources = list(cards()) if models is None else _listed(models)
    if not sources:
        raise SaccadeError("no models to compare; name some, such as llava; saccade models lists all")
    known = [str(one) for one in sources if is_embedded(one)]
    chosen = _policies(policies, models is None or len(known) == len(sources))
    taking.check([*sources, *_named_by(chosen)])
    check_calibration(calibrated, chosen)
    given = dict(taking.model(one) for one in sources if not is_embedded(one))
    names = list(dict.fromkeys((REFERENCE, *known, THIN))) if known else []
    taken = {name: taking.embedded(name, baseline=name in (REFERENCE, THIN)) for name in names} | given
    reference = REFERENCE if known else next(iter(given))
    driven = [reference] if models is None else [*known, *given]
    beside = {name: taking.backend(name) for name in _named_by(chosen)}
    taking.share()
    return ComparisonPlan(
        exam=exam,
        models=taken,
        reference=reference,
        budgets=budgets,
        seed=seed,
        resolvable=RESOLVABLE if known and _generated(exam) else None,
        policies=chosen,
        driven=driven,
        beside=beside,
        calibration=calibration,
        marking=marking,
        loss=loss,
        price=price,
        twin=twin,
    )


def _listed(models: Sequence[object]) -> list[object]:
    found: list[object] = []
    for one in listed("models (names, paths, URLs or objects)", models):
        if not any(one is other or (isinstance(one, str) and one == other) for other in found):
            found.append(one)
    return found


def _named_by(policies: dict[str, Policy]) -> list[str]:
    return sorted({name for policy in policies.values() for name in policy.requires if name})


def _policies(chosen: Sequence[str | Policy], tuned: bool) -> dict[str, Policy]:
    """The policies by name; ``tuned`` for the embedded readers where they run on those alone."""
    made: dict[str, Policy] = {}
    for one in listed("policies (names, files or policies)", chosen):
        spelt = os.fspath(one) if isinstance(one, os.PathLike) else one
        given = one if isinstance(one, Policy) else text("a policy", spelt)
        name = _policy_name(given)
        policy = given if isinstance(given, Policy) else named_policy(given, embedded=tuned)
        if made.setdefault(name, policy) != policy:
            raise SaccadeError(
                f"two different policies are named {name!r}, and rows are told apart by name; write one of them to a "
                "YAML file of another name, and give the path"
            )
    return made


def _policy_name(policy: str | Policy) -> str:
    """Its name in the results. A single look of the user's own is not the plain one that every comparison holds."""
    if isinstance(policy, Policy):
        return OWN_LOOK if isinstance(policy, SingleLook) else type(policy).__name__.lower()
    return Path(policy).stem if _file(policy) else policy


def _file(policy: object) -> bool:
    return str(policy).endswith((".yaml", ".yml", ".json"))


def _exam(data: str | Path | Exam | None, pictures: int, split: str, marking: Marking) -> Exam:
    if data is None:
        return Scenes(split, pictures)
    if isinstance(data, str) and "/" in data and not Path(data).exists() and not Path(data).suffix:
        return named_exam(data)
    if isinstance(data, str | Path):
        return read(Path(data), open_picture, marking.check)
    if isinstance(data, Exam):
        return data
    raise SaccadeError(f"data is a file, a folder, a benchmark's name or an exam, got {data!r:.60}")


def _generated(exam: Exam) -> bool:
    """Whether text has known heights."""
    return any(question.glyph for picture in exam for question in picture.questions)


def _calibration(data: object, calibration: str | Path | Exam | None, pictures: int, marking: Marking) -> Exam | None:
    if calibration is not None:
        return _exam(calibration, pictures, "calibration", marking)
    return Scenes("calibration", pictures) if data is None else None


def _positive(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    return number(name, value)


@contextmanager
def _journal(folder: Path | None, plan: ComparisonPlan, *, fresh: bool, retry: bool) -> Iterator[FileJournal | None]:
    if folder is None:
        yield None
        return
    with FileJournal(folder, plan.recipe, fresh=fresh, retry=retry) as journal:
        yield journal


def stored(compared: Comparison, folder: Path | None) -> Compared:
    """Write a comparison's files into ``folder``, where one is given."""
    results, judged = compared.results, compared.policies
    if folder is None:
        return Compared(results, (), judged, compared.faults)
    from saccade.report.html_report import render
    from saccade.report.policies_table import drawing

    page = render(results, compared.shown, judged)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "results.json", folder / "report.html", *(one for one in [folder / ANSWERS] if one.is_file())]
    results.save(files[0])
    write_whole(files[1], page)
    if judged is not None:
        files += [folder / "policies.json", folder / "policies.svg"]
        write_whole(files[-2], judged.to_json())
        write_whole(files[-1], drawing(judged))
    for name, ladder in compared.ladders.items():
        plain = re.sub(r"[^\w.-]+", "-", name).strip("-")  # a folder's or a server's name holds what files' may not
        files.append(folder / f"ladder-{plain}.yaml")
        write_whole(files[-1], yaml.safe_dump(to_dict(ladder, POLICY_TYPES), sort_keys=False))
    return Compared(results, tuple(files), judged, compared.faults)
