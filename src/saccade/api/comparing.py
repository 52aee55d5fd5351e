"""Comparing as functions: what the command line and a notebook call."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from saccade.core.backend import Backend
from saccade.core.defaults import PICTURES
from saccade.core.errors import SaccadeError
from saccade.core.files import write_whole
from saccade.core.progress import Tell
from saccade.core.recipe import to_dict
from saccade.evaluation.marking import Marking
from saccade.evaluation.results import Results
from saccade.models.base import Reader
from saccade.models.cards import cards
from saccade.models.composed import Composed
from saccade.models.embedded import embedded
from saccade.models.local import embedded_model, loaded_caps
from saccade.models.open import open_model
from saccade.policies.base import Policy
from saccade.policies.catalogue import TYPES as POLICY_TYPES
from saccade.policies.catalogue import policy as named_policy
from saccade.study.compare import Comparison
from saccade.study.compare import compare as run_compare
from saccade.study.policies import Policies
from saccade.study.policies_table import cascade_table as cascade_table
from saccade.study.policies_table import drawing as policies_drawing
from saccade.study.policies_table import policies_table as policies_table
from saccade.study.report import render
from saccade.study.sheets import Entrant, Progress
from saccade.study.shots import SHOTS, Shots
from saccade.study.shots import few_shot as run_few_shot
from saccade.study.shots_table import drawing as drawing
from saccade.study.shots_table import shots_table as shots_table
from saccade.study.table import print_table as print_table
from saccade.study.table import table as table
from saccade.tasks.data import read
from saccade.tasks.exam import Exam
from saccade.tasks.hinted import hinted
from saccade.tasks.scenes import RESOLVABLE, Scenes
from saccade.train.demo import demo_name, retrain
from saccade.train.stages import THIN
from saccade.views.open import open_picture

REFERENCE = "llava"
"""The embedded full-token reader: differences are taken to it, baselines made from it."""
BUDGETS = (64, 16, 4)
DEMO_PICTURES = 80
SHOWN_EXAMPLES = ("flamingo", "flamingo-single")
"""Readers of the few-shot study: one that was trained on prompts with examples, and its twin that was not."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison left: its ``results``, what is said of ``policies`` where some looked again, the files if a
    folder was given, and ``faults``: which models left how many questions unanswered, and why.
    """

    results: Results
    files: tuple[Path, ...] = ()
    policies: Policies | None = None
    faults: tuple[str, ...] = ()


def compare(
    data: str | Path | None = None,
    *,
    models: Sequence[str] | None = None,
    families: Sequence[str | Path] = (),
    budgets: Sequence[int] = BUDGETS,
    out: str | Path | None = None,
    pictures: int = PICTURES,
    seed: int = 0,
    policies: Sequence[str] = (),
    calibration: str | Path | None = None,
    hint: str = "",
    progress: Progress | None = None,
) -> Compared:
    """Accuracy against visual tokens for ``models`` × budgets, with the resize, random and uniform baselines.

    ``data`` is a JSONL, a LLaVA JSON or a folder with a CSV; without it, ``pictures`` of the generated exam's
    test split are asked. ``models`` are embedded readers' names, or whatever ``models.open.open_model`` takes (folders,
    Hub ids, servers); all embedded readers unless given. Those that are not put together here are compared with
    smaller pictures of their own. ``families`` are folders that ``train`` wrote: further training seeds, whose answers
    are pooled with those of the embedded readers of the same name. Where an embedded reader takes part, the
    full-token reader and the one trained for dropping do too, since the baselines are made from them; else the
    first model is the reference. ``policies`` (names or files) look again: on each of ``models``, or on the full-token
    reader where none is named. Ladders are fitted to ``calibration``, data as above, or the generated exam's
    calibration split. ``hint`` stands behind every question. ``out`` receives ``results.json`` and ``report.html``,
    ``policies.json`` and a YAML file for each ladder, written only when everything is done.
    """
    writable(out)
    exam: Exam = Scenes("test", pictures) if data is None else read(Path(data), open_picture, Marking().check)
    chosen = list(dict.fromkeys(models if models is not None else cards()))
    if not chosen:
        raise SaccadeError(f"no models to compare; name some of: {', '.join(cards())}")
    if any(name in cards() for name in chosen):
        chosen = list(dict.fromkeys((REFERENCE, *chosen, THIN)))
    entrants, others = _taking_part(chosen, families)
    reference = REFERENCE if REFERENCE in entrants else next(iter(entrants or others))
    if reference in entrants:
        entrants[reference] = replace(entrants[reference], baseline=True)
    resolvable = RESOLVABLE if data is None and reference in entrants else None
    driven = models or (reference,)
    chosen_policies = _policies(policies, driven)
    looking = {
        name: others.get(name) or _composed(name, entrants[name].reader)
        for name in driven
        if policies or name in others
    }
    named = sorted({name for policy in chosen_policies.values() for name in policy.requires if name})
    beside = {
        name: others.get(name) or (_composed(name, entrants[name].reader) if name in entrants else open_model(name))
        for name in named
    }
    compared = run_compare(
        hinted(exam, hint),
        entrants,
        reference=reference,
        budgets=budgets,
        seed=seed,
        resolvable=resolvable,
        policies=chosen_policies,
        looking=looking,
        beside=beside,
        calibration=None if (labels := _calibration(data, calibration, pictures)) is None else hinted(labels, hint),
        progress=progress,
    )
    return _stored(compared, out)


def _policies(names: Sequence[str], models: Sequence[str]) -> dict[str, Policy]:
    """The policies by name; those that were tuned for the embedded readers where they run on those alone."""
    tuned = all(name in cards() for name in models)
    return {Path(name).stem: named_policy(name, embedded=tuned) for name in dict.fromkeys(names)}


def _taking_part(names: Sequence[str], families: Sequence[str | Path]) -> tuple[dict[str, Entrant], dict[str, Backend]]:
    """Readers of ours, and models that are driven as they are."""
    entrants: dict[str, Entrant] = {}
    others: dict[str, Backend] = {}
    for name in names:
        if name in cards():
            entrants[name] = _entrant(name, families)
            continue
        model = open_model(name)
        if isinstance(model, Composed):
            entrants[name] = Entrant(model.reader, "exact", f"as loaded from {name}")
        else:
            others[name] = model
    return entrants, others


def _composed(name: str, reader: Reader) -> Composed:
    return embedded_model(name, reader) if name in cards() else Composed(name, reader, loaded_caps(reader))


def _calibration(data: str | Path | None, calibration: str | Path | None, pictures: int) -> Exam | None:
    if calibration is not None:
        return read(Path(calibration), open_picture, Marking().check)
    return Scenes("calibration", pictures) if data is None else None


def few_shot(
    models: Sequence[str] = SHOWN_EXAMPLES,
    *,
    counts: Sequence[int] = SHOTS,
    out: str | Path | None = None,
    pictures: int = PICTURES,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Shots, tuple[Path, ...]]:
    """Accuracy with ``counts`` examples in the prompt, questions spelt out and not; see ``study/shots.py``.

    ``models`` as in ``compare``. ``out`` receives ``shots.json`` and ``shots.svg``.
    """
    writable(out)
    names = list(dict.fromkeys(models))
    entrants, others = _taking_part(names, ())
    if others:
        raise SaccadeError(
            f"examples in the prompt are shown to readers that are put together here, {next(iter(others))} is not; "
            f"name some of: {', '.join(cards())}"
        )
    readers = {name: entrants[name].reader for name in names}
    found = run_few_shot(readers, counts=counts, pictures=pictures, seed=seed, progress=progress)
    if out is None:
        return found, ()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    found.save(folder / "shots.json")
    write_whole(folder / "shots.svg", drawing(found))
    return found, (folder / "shots.json", folder / "shots.svg")


def train_demo(
    connector: str, *, out: str | Path, tell: Tell | None = None, progress: Progress | None = None
) -> Compared:
    """Train one connector again from nothing and compare it with the shipped one on a short exam."""
    writable(out)
    name = demo_name(connector)
    fresh = retrain(name, Path(out), tell or Tell())
    entrants = {one: _entrant(one) for one in (REFERENCE, name)}
    entrants[REFERENCE] = replace(entrants[REFERENCE], baseline=True)
    entrants[f"{name}-retrained"] = replace(entrants[name], reader=fresh, trained="connector trained just now")
    compared = run_compare(
        Scenes("test", DEMO_PICTURES),
        entrants,
        reference=REFERENCE,
        budgets=(16,),
        resolvable=RESOLVABLE,
        progress=progress,
    )
    return _stored(compared, out)


def writable(out: str | Path | None) -> None:
    """Refuses a place for results that is a file, before anything runs."""
    if out is not None and Path(out).exists() and not Path(out).is_dir():
        raise SaccadeError(f"{out} is a file, results go into a folder; name another with --out")


def _stored(compared: Comparison, out: str | Path | None) -> Compared:
    results, judged = compared.results, compared.policies
    if out is None:
        return Compared(results, (), judged, compared.faults)
    folder = Path(out)
    page = render(results, compared.shown, judged)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "results.json", folder / "report.html"]
    results.save(files[0])
    write_whole(files[1], page)
    if judged is not None:
        files += [folder / "policies.json", folder / "policies.svg"]
        write_whole(files[2], judged.to_json())
        write_whole(files[3], policies_drawing(judged))
    for name, ladder in compared.ladders.items():
        plain = re.sub(r"[^\w.-]+", "-", name).strip("-")  # a folder's or a server's name holds what files' may not
        files.append(folder / f"ladder-{plain}.yaml")
        write_whole(files[-1], yaml.safe_dump(to_dict(ladder, POLICY_TYPES), sort_keys=False))
    return Compared(results, tuple(files), judged, compared.faults)


def _entrant(name: str, families: Sequence[str | Path] = ()) -> Entrant:
    """An embedded reader."""
    card = cards()[name]
    folders = [Path(family) for family in families]
    others = tuple((cards(folder)[name].seed, embedded(name, folder)) for folder in folders if name in cards(folder))
    seeds = [card.seed, *(seed for seed, _ in others)]
    if len(set(seeds)) < len(seeds):
        raise SaccadeError(f"families need different training seeds, {name} has {seeds}; train with --set seed=…")
    return Entrant(embedded(name), card.fidelity, card.trained, name == THIN, card.seed, others)
