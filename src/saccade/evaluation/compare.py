"""Compare: models × policies × budgets on one benchmark, with the baselines that every method has to beat."""

import platform
import sys
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import cast, final

import numpy as np

from saccade.core.backend import Backend
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.interface.progress import Progress
from saccade.core.records.recipe import digest
from saccade.core.records.trace_codec import Json
from saccade.core.request import Ask, ImageRegion
from saccade.core.version import __version__
from saccade.evaluation.answered import Answered
from saccade.evaluation.baselines import SELECTS, SHARES, baselines, fewer, matched, shared_baselines
from saccade.evaluation.candidates import ONCE, Candidate, Model, single_looks
from saccade.evaluation.ladders import CERTIFIED, LADDER, Fitted, cascade, fit, level_candidate
from saccade.evaluation.matched_budget import twin_faults
from saccade.evaluation.metrics.marking import Marking
from saccade.evaluation.policies import Cascade, Policies
from saccade.evaluation.results import Cheapest, Environment, ExamFacts, Results
from saccade.evaluation.runner import Runner
from saccade.evaluation.scoring import Entry, heights_of, row
from saccade.evaluation.showing import pictures_shown
from saccade.evaluation.shown import ShownImage
from saccade.evaluation.storage.journal import Journal, MemoryJournal
from saccade.evaluation.verdicts import cheapest_within, verdict
from saccade.policies.base import Policy
from saccade.policies.catalogue import recipe_of
from saccade.policies.ladder import Ladder
from saccade.policies.scheduler import Scheduler
from saccade.tasks.exam import Exam

DEFAULT_BUDGETS = (64, 16, 4)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison leaves: its ``results``, pictures ``shown``, verdicts on ``policies`` where some were compared,
    the ``ladders`` that were fitted, by model, and ``faults``: what to know of questions without an answer, of
    baselines that were left out, and of a twin whose plan does not fit.
    """

    results: Results
    shown: tuple[ShownImage, ...]
    policies: Policies | None
    ladders: Mapping[str, Ladder]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class ComparisonPlan:
    """What is compared, and how.

    ``models`` by name, the ``reference`` among them; ``policies`` run on those of ``driven``, with the models
    ``beside`` at hand. ``budgets`` are visual tokens of the baselines, None for the usual ones. ``resolvable`` is the
    height of text, in pixels of the reference's view, from which on it counts as resolvable. Ladders are fitted to
    ``calibration``. ``loss`` (a fraction) asks for the cheapest budget within it, ``price`` is that of a million prompt
    tokens. ``twin`` is the published model or folder whose plan counts the visual tokens of servers, "" for none.
    """

    exam: Exam
    models: Mapping[str, Model]
    reference: str
    budgets: Sequence[int] | None = None
    seed: int = 0
    resolvable: float | None = None
    policies: Mapping[str, Policy] = field(default_factory=dict)
    driven: Sequence[str] = ()
    beside: Mapping[str, Backend] = field(default_factory=dict)
    calibration: Exam | None = None
    marking: Marking = field(default_factory=Marking)
    loss: float | None = None
    price: float | None = None
    twin: str = ""

    def __post_init__(self) -> None:
        if self.reference not in self.models:
            raise SaccadeError(f"the reference model {self.reference!r} takes no part; known: {', '.join(self.models)}")
        if any(budget < 1 for budget in self.budgets or ()):
            raise SaccadeError(f"a budget is at least 1 visual token, got {min(self.budgets or ())}")
        for name in self.driven:
            for policy in self.policies.values():
                Scheduler({name: self.models[name].first, **self.beside}).check(policy)

    @property
    def recipe(self) -> Json:
        """What the answers depend on, as JSON-safe data: equal recipes give equal answers."""
        return {
            "benchmark": self.exam.name,
            "models": {
                name: {str(seed): backend.fingerprint or backend.name for seed, backend in model.backends.items()}
                for name, model in self.models.items()
            },
            "reference": self.reference,
            "budgets": None if self.budgets is None else list(self.budgets),
            "seed": self.seed,
            "policies": {name: recipe_of(policy) for name, policy in self.policies.items()},
            "driven": list(self.driven) if self.policies else [],
            "beside": {name: model.fingerprint or model.name for name, model in self.beside.items()},
            "calibration": None if self.calibration is None or not self.policies else self.calibration.name,
            "marking": self.marking.name,
        }


def compare(plan: ComparisonPlan, journal: Journal | None = None, progress: Progress | None = None) -> Comparison:
    """Every model and policy on every question; rows for each, and the baselines at each budget.

    Answers that ``journal`` holds are taken from there, and further ones written to it.
    """
    return _Comparing(plan, MemoryJournal() if journal is None else journal, progress).all()


@final
class _Comparing:
    """One comparison: candidates are run in stages, since budgets of the later ones depend on the answers before."""

    def __init__(self, plan: ComparisonPlan, journal: Journal, progress: Progress | None) -> None:
        self.plan = plan
        self.runner = Runner(plan.exam, journal, plan.marking, progress)
        self.calibration = None
        if plan.calibration is not None and any(isinstance(one, Ladder) for one in plan.policies.values()):
            self.calibration = Runner(plan.calibration, journal, plan.marking, progress, split="calibration")
        for one in self.runner.posed:
            plan.marking.check(one.question)
        for model in plan.models.values():
            _check_budgets(model, plan.budgets)
        self.entries: list[Entry] = []
        self.looped: list[Entry] = []
        self.cascades: list[Cascade] = []
        self.ladders: dict[str, Ladder] = {}
        self.notes: list[str] = []

    def all(self) -> Comparison:
        """See ``compare``."""
        started = time.perf_counter()
        self._single_looks()
        self._baselines()
        for name in self.plan.driven:
            self._policies(self.plan.models[name])
        self._matched()
        results = self._results(time.perf_counter() - started)
        faults = [one.fault for one in (*self.entries, *self.looped) if one.fault is not None]
        faults += self.notes + (twin_faults(self.entries, self.runner, self.plan.twin) if self.plan.twin else [])
        shown = pictures_shown(self.runner, [*self.entries, *self.looped], self._heights())
        return Comparison(results, shown, self._judged(), self.ladders, tuple(faults))

    def _run(self, candidates: Sequence[Candidate]) -> list[Entry]:
        """Rows of candidates that differ in the training seed alone are pooled."""
        found = self.runner.run(candidates)
        rows: dict[Hashable, list[tuple[Candidate, list[Answered]]]] = {}
        for candidate, answers in zip(candidates, found, strict=True):
            rows.setdefault(candidate.row, []).append((candidate, answers))
        return [
            Entry(tuple(candidate for candidate, _ in ones), tuple(tuple(answers) for _, answers in ones))
            for ones in rows.values()
        ]

    def _possible(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Those whose budgets every picture can be shown in; the others are told in ``notes``."""
        found: list[Candidate] = []
        for candidate in candidates:
            refusal = self.runner.refusal(candidate)
            if refusal is None:
                found.append(candidate)
            else:
                told = (
                    f"{candidate.model}, {candidate.title} to {candidate.budget} visual tokens is left out: {refusal}"
                )
                self.notes += [told] if told not in self.notes else []
        return found

    def _single_looks(self) -> None:
        """One look of every model. Baselines of models that are judged together share pictures and towers with that."""
        plan = self.plan
        candidates = [one for model in plan.models.values() for one in single_looks(model)]
        for model in plan.models.values():
            if model.baseline and not model.alone:
                whole = self._planned_tokens(model)
                budgets = self._fewer(plan.budgets or DEFAULT_BUDGETS, whole, model)
                candidates += self._possible(baselines(model, budgets, plan.seed))
        self.entries += self._run(candidates)

    def _planned_tokens(self, model: Model) -> int:
        """Visual tokens of the first picture by the model's own plan."""
        (single, *_) = single_looks(model)
        posed = self.runner.posed[0]
        planned = model.first.price(posed.picture.size, self.runner.first_request(single, posed)).visual_tokens
        if planned is None:
            raise SaccadeError(f"{model.name} plans no visual tokens, so that it stands alone; compare it by itself")
        return planned

    def _baselines(self) -> None:
        """Baselines of models that stand alone, whose budgets follow from what one look took."""
        plan, candidates = self.plan, list[Candidate]()
        for model in plan.models.values():
            if not (model.baseline and model.alone):
                continue
            whole = self._whole(model.name)
            self._teach(model, whole)
            if Cap.RESIZE not in model.first.caps and plan.budgets is None:
                candidates += shared_baselines(model, plan.seed)
                continue
            budgets = plan.budgets or [max(1, round(share**2 * whole.visual_tokens)) for share in SHARES]
            most = max(one.visual_tokens for one in whole.answered)
            candidates += self._possible(baselines(model, self._fewer(budgets, most, model), plan.seed))
        self.entries += self._run(candidates)

    def _fewer(self, budgets: Sequence[int], whole: int, model: Model) -> list[int]:
        """The budgets below ``whole`` visual tokens; those that were named and are not are noted.

        Raises SaccadeError where there are none, and no other model has baselines either.
        """
        others = any(one.baseline for one in self.plan.models.values() if one is not model)
        found = [] if others and min(budgets) >= whole else fewer(budgets, whole, model.name)
        beyond = [budget for budget in self.plan.budgets or () if budget >= whole]
        if beyond:
            self.notes.append(
                f"{model.name}: images take at most {whole:,} visual tokens, so that budgets of "
                f"{', '.join(map(str, beyond))} change nothing and have no rows"
            )
        return found

    def _teach(self, model: Model, whole: Entry) -> None:
        """Tell a model that knows no law what it read of whole pictures, so that it can resize to a budget."""
        (single, *_) = single_looks(model)
        for posed, answered in zip(self.runner.posed, whole.answers[0], strict=True):
            if answered.error is None:
                request = self.runner.first_request(single, posed)
                model.first.learn(posed.picture.size, request, answered.visual_tokens)

    def _policies(self, model: Model) -> None:
        """Every policy on a model; a ladder is fitted first where there is something to fit it to."""
        plan, bench = self.plan, {model.name: model.first, **self.plan.beside}
        for title, policy in plan.policies.items():
            if title == ONCE:
                continue
            if isinstance(policy, Ladder) and title == LADDER and self.calibration is not None:
                self._ladder(model.name, bench, policy, fit(self.calibration, model.name, bench, policy))
            else:
                candidate = Candidate(model=model.name, title=title, policy=policy, bench=bench, detailed=True)
                self.looped += self._run([candidate])

    def _ladder(self, name: str, bench: Mapping[str, Backend], ladder: Ladder, fitted: Fitted) -> None:
        cheap = Candidate(model=name, title=LADDER, policy=fitted.ladder, bench=bench, detailed=True)
        safe = Candidate(model=name, title=CERTIFIED, policy=fitted.certified, bench=bench, detailed=True)
        first = level_candidate(name, bench, ladder, 1)
        found = self._run([cheap, safe])
        (alone,) = self.runner.run([first])
        calibration = "" if self.calibration is None else self.calibration.exam.name
        answers = [one.answers[0] for one in found]
        self.cascades.append(cascade(name, answers[0], answers[1], alone, fitted, calibration))
        self.ladders[name] = fitted.ladder
        self.looped += found

    def _matched(self) -> None:
        """Smaller pictures with as many tokens as each policy took, of the models that it is judged against."""
        known = {one.candidate.key for one in self.entries}
        candidates: dict[str, Candidate] = {}
        for entry in self.looped:
            for model in self._rivals(entry.candidate.model):
                whole = self._whole(model.name).visual_tokens
                found = matched(model, entry.visual_tokens, whole, partial(self._resized_tokens, model))
                candidates |= {one.key: one for one in found if model.baseline and one.key not in known}
        self.entries += self._run(self._possible(list(candidates.values())))

    def _resized_tokens(self, model: Model, budget: int) -> float | None:
        """Mean visual tokens of a question's picture within ``budget``, by the model's own plan; None without one."""
        if Cap.RESIZE not in model.first.caps:
            return None
        question = Ask(question="", sights=(ImageRegion(tokens=budget),))
        try:
            planned = [model.first.price(one.picture.size, question).visual_tokens for one in self.runner.posed]
        except SaccadeError:  # some picture cannot be shown so: the candidate is left out, with the reason
            return None
        return None if None in planned else float(np.mean(cast(Sequence[int], planned)))

    def _rivals(self, name: str) -> list[Model]:
        """The models whose single looks a policy on the model ``name`` is judged against."""
        models = self.plan.models
        return [models[name]] if models[name].alone else [one for one in models.values() if not one.alone]

    def _whole(self, name: str) -> Entry:
        return next(one for one in self.entries if one.candidate.model == name and one.candidate.title == ONCE)

    def _judged(self) -> Policies | None:
        if not self.looped:
            return None
        verdicts = []
        for entry in self.looped:
            rivals = {model.name for model in self._rivals(entry.candidate.model)}
            lead = self._whole(self.plan.reference if self.plan.reference in rivals else entry.candidate.model)
            others = [one for one in self.entries if one.candidate.model in rivals and one is not lead]
            verdicts.append(verdict(entry, self.runner.posed, [lead, *others]))
        return Policies(self.plan.exam.name, tuple(verdicts), tuple(self.cascades))

    def _heights(self) -> Mapping[tuple[str, int], float]:
        return heights_of(self.runner.posed, self.plan.models[self.plan.reference].first)

    def _results(self, seconds: float) -> Results:
        plan, asked, heights = self.plan, self.runner.posed, self._heights()
        lead = self._whole(plan.reference)
        rows = [row(one, lead, asked, heights, plan.resolvable) for one in (*self.entries, *self.looped)]
        return Results(
            exam=ExamFacts(plan.exam.name, len(plan.exam), len(asked), plan.resolvable),
            reference=plan.reference,
            recipe=digest(plan.recipe),
            environment=environment(),
            rows=tuple(rows),
            seconds=seconds,
            metric=plan.marking.name,
            price=plan.price,
            cheapest=tuple(self._cheapest()),
        )

    def _cheapest(self) -> list[Cheapest]:
        if self.plan.loss is None:
            return []
        found = []
        for name in self.plan.models:
            own = [one for one in self.entries if one.candidate.model == name]
            if len(own) > 1:  # a model without rows at budgets has nothing to choose from
                found.append(cheapest_within(self._whole(name), own, self.runner.posed, self.plan.loss))
        return found


def _check_budgets(model: Model, budgets: Sequence[int] | None) -> None:
    """Raises SaccadeError where budgets are named that a model which stands alone cannot keep, before it is asked."""
    caps = model.first.caps if budgets is not None and model.baseline and model.alone else SELECTS
    if Cap.RESIZE in caps or caps & SELECTS == SELECTS:
        return
    twin = "name the published model or folder whose plan counts them (--twin), or " if model.first.remote else ""
    raise SaccadeError(
        f"{model.name} does not tell how many visual tokens an image takes, so that none can be resized to a budget; "
        f"{twin}leave out --budgets for images of half and a quarter of the length"
    )


def environment() -> Environment:
    """What this runs on."""
    torch = sys.modules.get("torch")
    return Environment(
        python=sys.version.split()[0],
        torch=_version("torch"),
        transformers=_version("transformers"),
        pillow=version("pillow"),
        saccade=__version__,
        threads=1 if torch is None else torch.get_num_threads(),
        machine=platform.machine(),
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
