"""Comparing: every row there, every number of it right, whatever the model."""

from copy import deepcopy
from dataclasses import dataclass, replace

import pytest

from saccade.backends.composed.backend import ComposedBackend, share_towers
from saccade.backends.embedded.family import embedded
from saccade.backends.open import open_model
from saccade.core.answer import Answer
from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask
from saccade.core.size import Size
from saccade.evaluation.candidates import Model
from saccade.evaluation.compare import Comparison, ComparisonPlan, compare
from saccade.evaluation.metrics.marking import Marking
from saccade.policies.ladder import Ladder, Level, sides
from saccade.policies.scales import Scales
from saccade.policies.single_look import SingleLook
from saccade.report.html_report import render
from saccade.report.tables import table
from saccade.tasks.exam import Question
from saccade.tasks.scenes import Scenes
from saccade.towers.stem import StemTower
from tests.evaluation.small import (
    ANSWERS,
    ASKED,
    EXAM,
    Own,
    OwnExam,
    Server,
    compared,
    find,
    numbered,
    right,
)
from tests.policies.fake import EVERYTHING, Fake, answer


def readers(*names: str, **more) -> ComparisonPlan:
    """Embedded readers, baselines made of llava."""
    models = {name: Model(name, {0: open_model(name)}, baseline=name == "llava") for name in names}
    share_towers([model.first for model in models.values()])
    return ComparisonPlan(models=models, reference="llava", **{"exam": Scenes("test", 2), "budgets": (4, 1), **more})


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compare(readers("llava", "llava-uhd", exam=Scenes("test", 8), resolvable=6.0))


def test_readers_and_mandatory_rows_are_there(found: Comparison) -> None:
    rows = {(row.reader, row.policy, row.budget) for row in found.results.rows}
    baselines = {("llava", policy, budget) for policy in ("resize", "random", "uniform") for budget in (4, 1)}
    assert rows == {("llava", "once", None), ("llava-uhd", "once", None)} | baselines


def test_no_baseline_takes_more_than_its_budget(found: Comparison) -> None:
    for row in found.results.rows:
        if row.policy in ("random", "uniform"):
            assert row.budget is not None
            assert row.visual_tokens <= row.budget
        if row.policy == "resize":
            assert row.budget is not None
            assert row.budget / 2 < row.visual_tokens <= row.budget


def test_questions_add_up_and_costs_are_counted_as_predicted(found: Comparison) -> None:
    for row in found.results.rows:
        assert row.detail is not None
        assert row.gist is not None
        assert row.detail.n + row.gist.n == found.results.exam.questions
        by_height = [row.kinds[kind].n for kind in ("digit (resolvable)", "digit (small print)") if kind in row.kinds]
        assert row.kinds["digit"].n == sum(by_height)
        assert row.flops.counted == pytest.approx(row.flops.predicted)
        assert row.ms.p50 > 0
        assert (row.device, row.dtype) == ("cpu", "float32")


def test_dropping_saves_the_language_model_and_resizing_the_tower_too(found: Comparison) -> None:
    rows = [("once", None), ("random", 4), ("resize", 4)]
    whole, dropped, resized = (find(found.results, "llava", *told) for told in rows)
    assert resized.flops.predicted < dropped.flops.predicted < whole.flops.predicted
    assert whole.difference.detail is None
    assert dropped.difference.detail is not None


def test_the_report_draws_what_was_seen(found: Comparison) -> None:
    assert "llava-uhd" in render(found.results, found.shown)
    assert 1 <= len(found.shown) <= 4
    for shown in found.shown:
        assert {look.reader for look in shown.seen} == {"llava", "llava-uhd"}


def test_equal_arguments_give_equal_answers() -> None:
    twice = [compare(readers("llava")).results for _ in range(2)]
    one, other = ([(r.detail, r.gist, r.difference) for r in results.rows] for results in twice)
    assert one == other
    assert twice[0].recipe == twice[1].recipe
    assert twice[0].recipe != compare(readers("llava", seed=1)).results.recipe


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shape of every batch that a tower is run on, counting FLOPs apart."""
    shapes, forward = list[tuple[int, ...]](), StemTower.forward

    def counting(self, pixels):
        shapes.extend([] if pixels.is_meta else [tuple(pixels.shape)])
        return forward(self, pixels)

    monkeypatch.setattr(StemTower, "forward", counting)
    return shapes


def test_equal_towers_run_once_and_others_by_themselves(runs: list[tuple[int, ...]]) -> None:
    exam = OwnExam([Own("a"), Own("bb")])
    kind, pool = (open_model(name) for name in ("llava", "pool-4"))
    assert isinstance(kind, ComposedBackend)
    reader = deepcopy(embedded("llava"))
    reader.spec = replace(reader.spec, mean=(0.4, 0.4, 0.4))
    brighter = ComposedBackend("brighter", reader)
    share_towers([kind, pool, brighter])
    models = {one.name: Model(one.name, {0: one}) for one in (kind, pool)}
    compare(ComparisonPlan(exam=exam, models=models, reference="llava"))
    shown = len(runs)
    assert runs[0] == (2, 3, 128, 128)
    assert shown == 1
    compare(
        ComparisonPlan(exam=exam, models=models | {"brighter": Model("brighter", {0: brighter})}, reference="llava")
    )
    assert len(runs) == shown + 1


def test_seeds_are_pooled_and_clustered_apart() -> None:
    models = dict(enumerate(map(open_model, ("llava", "pool-4"))))
    exam = Scenes("test", 4)
    alone = [
        compare(
            ComparisonPlan(exam=exam, models={"llava": Model("llava", {seed: one})}, reference="llava")
        ).results.rows[0]
        for seed, one in models.items()
    ]
    both = compare(ComparisonPlan(exam=exam, models={"llava": Model("llava", models)}, reference="llava"))
    (row,) = both.results.rows
    assert row.seed == (0, 1)
    assert row.gist is not None
    assert row.gist.n == sum(one.gist.n for one in alone if one.gist is not None)
    assert row.gist.correct == sum(one.gist.correct for one in alone if one.gist is not None)
    assert all(len(shown.seen) == 1 for shown in both.shown)


def test_a_picture_under_another_seed_is_another_draw() -> None:
    model, exam = open_model("pool-4"), Scenes("test", 8)
    single, pooled = (
        compare(ComparisonPlan(exam=exam, models={"m": Model("m", seeds)}, reference="m")).results.rows[0].detail
        for seeds in ({0: model}, {0: model, 1: model})
    )
    assert single is not None
    assert pooled is not None
    assert pooled.accuracy == single.accuracy
    assert single.ci95 is not None
    assert pooled.ci95 is not None
    assert pooled.ci95[1] - pooled.ci95[0] < 0.9 * (single.ci95[1] - single.ci95[0])


def test_a_server_is_its_own_reference_with_smaller_pictures_beside_it() -> None:
    made = compared(Server(asked=right), policies={"scales": Scales(gate=2), "ladder": sides(64, None)})
    whole, *smaller = [row for row in made.results.rows if row.policy in ("once", "resize")]
    assert made.results.leads(whole)
    assert (whole.fidelity, whole.params, whole.bytes, whole.slots) == ("hosted", None, None, None)
    assert (whole.flops.predicted, whole.flops.counted) == (None, None)
    assert all(row.baseline for row in smaller)
    quarter = next(row for row in smaller if row.visual_tokens / whole.visual_tokens == pytest.approx(1 / 4, abs=0.02))
    assert quarter.detail is not None
    assert made.policies is not None
    ladder = next(one for one in made.policies.verdicts if one.policy == "ladder")
    assert ladder.resize is not None
    assert ladder.resize.policy == "resize"
    assert 1 <= ladder.resize.visual_tokens / ladder.visual_tokens < 1.2
    scales = next(one for one in made.policies.verdicts if one.policy == "scales")
    assert scales.resize is not None
    assert scales.best is not None
    assert (scales.resize.policy, scales.best.policy) == ("once", "once")
    assert {row.fidelity for row in made.results.rows if row.policy == "scales"} == {"faithful"}
    assert made.faults == ()


def test_tables_and_report_leave_open_what_a_server_does_not_tell() -> None:
    from rich.console import Console

    made = compared(Server(asked=right), policies={"scales": Scales(gate=2)})
    page = render(made.results, made.shown)
    assert "far · scales" in page
    assert "no tokens kept" not in page
    console = Console(width=120)
    with console.capture() as caught:
        console.print(table(made.results))
    assert "hosted" in caught.get()


def test_prompts_are_counted_whole_where_a_server_does_not_tell_pictures_apart() -> None:
    apart, whole = (compared(Server(asked=right, counts=counts)).results.rows[0] for counts in (True, False))
    assert whole.visual_tokens == apart.visual_tokens + 7
    assert "whole prompts are counted" in whole.trained
    assert "whole prompts" not in apart.trained


def test_a_question_without_an_answer_is_wrong_and_said_to_be_so() -> None:
    first = next(iter(ANSWERS))

    def fails(request: Ask, size: Size) -> Answer:
        if request.question == first:
            raise SaccadeError("far is asked too much")
        return right(request, size)

    made = compared(Server(asked=fails))
    asked = [question for scene in EXAM for question in scene.questions]
    known = [one for one in asked if ANSWERS[one.text] in one.answers and one.text != first]
    row = made.results.rows[0]
    assert row.detail is not None
    assert row.gist is not None
    assert row.detail.correct + row.gist.correct == len(known)
    read = [one.size.area // 100 for one in EXAM for question in one.questions if question.text != first]
    assert row.visual_tokens == pytest.approx(sum(read) / len(read))
    times = f"{ASKED - len(read)} of {ASKED} questions got no answer"
    assert any(times in fault and "far is asked too much" in fault for fault in made.faults)
    assert times in row.trained


def test_budgets_of_a_model_that_resizes_are_kept() -> None:
    fake = Resizing(asked=right)
    made = compared(fake, budgets=(50, 10))
    rows = {(row.policy, row.budget): row for row in made.results.rows}
    assert set(rows) == {("once", None)} | {(p, b) for p in ("resize", "random", "uniform") for b in (50, 10)}
    assert len(fake.log) == ASKED * 7


@dataclass(eq=False)
class Resizing(Fake):
    """A model that reads as many tokens as it is told to."""

    caps: Cap = EVERYTHING

    def run(self, jobs):
        return [
            replace(one, visual_tokens=_allowed(job.request, self.tokens))
            for job, one in zip(jobs, super().run(jobs), strict=True)
        ]


def _allowed(request: Ask, whole: int) -> int:
    kept = None if request.keep is None else request.keep.tokens
    return request.sights[0].tokens or kept or whole


def test_ladders_are_fitted_to_the_calibration_questions_and_judged_on_the_others() -> None:
    calibration = Scenes("calibration", 2)
    near = Fake(asked=lambda request, size: answer("a" if size.long % 2 else "b", 0.7))
    made = compared(near, policies={"ladder": sides(64, None)}, calibration=calibration)
    assert made.policies is not None
    (cascade,) = made.policies.cascades
    assert cascade.labels == sum(len(scene.questions) for scene in calibration) != ASKED
    assert cascade.calibration == calibration.name
    assert {row.policy for row in made.results.rows} >= {"ladder", "ladder-certified"}
    assert set(made.ladders) == {"fake"}


def test_a_ladder_that_nothing_is_fitted_to_runs_as_it_is() -> None:
    made = compared(Fake(asked=right), policies={"ladder": sides(64, None)})
    assert made.policies is not None
    assert made.policies.cascades == ()
    assert made.ladders == {}


def test_the_first_level_is_judged_on_its_own_model() -> None:
    thin = Fake(name="llava-thin", asked=lambda *_: answer("red", 0.6))
    near = Fake(asked=lambda *_: answer("?", 0.6))
    exam = OwnExam([Own("a"), Own("b"), Own("c", (Question("?", ("blue",), "own", "own"),))])
    ladder = Ladder(levels=(Level(policy=SingleLook(side=20), model="llava-thin"), Level(policy=SingleLook())))
    made = compared(
        near, exam=exam, policies={"ladder": ladder}, calibration=numbered(8), beside={"llava-thin": thin}
    )  # fmt: skip
    assert made.policies is not None
    (cascade,) = made.policies.cascades
    assert cascade.raw.accuracy == pytest.approx(2 / 3)


def test_graded_metrics_give_parts_of_a_point_and_a_line_may_name_its_own() -> None:
    own = Question("Which town?", ("amsterdam",), "own", "own")
    graded = replace(own, metric="anls")
    exam = OwnExam([Own("a", (own, graded)), Own("b", (graded,))])
    made = compared(Fake(asked=lambda *_: answer("amsterdan")), exam=exam)
    row = made.results.rows[0]
    assert row.own is not None
    assert (row.own.n, row.own.correct) == (3, pytest.approx(2 * 8 / 9))


def test_a_metric_may_be_a_function_and_extraction_is_switched_off() -> None:
    def half(said: str, question: Question) -> float:
        return 0.5 * (said in question.answers)

    made = compared(Fake(asked=lambda *_: answer("0")), exam=numbered(3), marking=Marking(half))
    assert made.results.rows[0].own is not None
    assert made.results.rows[0].own.correct == 1.5
    assert made.results.metric.endswith("half")
    chatty = OwnExam([Own("a", (Question("How many?", ("12",), "own", "own", metric="relaxed"),))])
    said = Fake(asked=lambda *_: answer("There are 12 of them."))
    marks = [compared(said, exam=chatty, marking=Marking("exact", how)).results.rows[0].own for how in ("auto", "none")]
    assert [mark.correct for mark in marks if mark is not None] == [1, 0]


def test_a_question_that_cannot_be_marked_is_refused_before_anything_is_asked() -> None:
    fake = Fake()
    exam = OwnExam([Own("a", (Question("?", ("red",), "own", "own", metric="no such"),))])
    with pytest.raises(SaccadeError, match="no such"):
        compared(fake, exam=exam)
    assert not fake.log


def test_refusals() -> None:
    with pytest.raises(SaccadeError, match="'llava' takes no part; known: llava-uhd"):
        readers("llava-uhd")
    with pytest.raises(SaccadeError, match="at least 1 visual token, got -1"):
        readers("llava", budgets=(4, -1))
    with pytest.raises(SaccadeError, match=r"below the \d+ visual tokens of llava, got 900; try"):
        compare(readers("llava", budgets=(900,)))
    with pytest.raises(SaccadeError, match="asks nothing"):
        compare(readers("llava", exam=OwnExam([Own("a", ())])))
    blind = Model("far", {0: Fake(caps=EVERYTHING & ~Cap.GENERATE)}, baseline=True, alone=True)
    with pytest.raises(SaccadeError, match="GENERATE"):
        compare(ComparisonPlan(exam=EXAM, models={"far": blind}, reference="far"))
