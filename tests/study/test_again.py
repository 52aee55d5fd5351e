"""Models that are not put together here, compared: what they say once, at smaller pictures, and looking again."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
import pytest
from PIL import Image

from saccade.api.comparing import compare
from saccade.core.answer import Answer
from saccade.core.backend import Job, Seen
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask, Request, shown
from saccade.core.size import Size
from saccade.core.trace import Look, Price, Trace
from saccade.core.view import View
from saccade.evaluation.results import Changes, Flops, Milliseconds, Row
from saccade.models.composed import Composed
from saccade.models.embedded import embedded
from saccade.models.hosted import Hosted
from saccade.policies.base import Outcome, Result
from saccade.policies.calibrate import Platt
from saccade.policies.certify import Refusal
from saccade.policies.confidence import Features
from saccade.policies.ladder import Ladder, Level, sides
from saccade.policies.once import Once
from saccade.policies.scales import Scales
from saccade.study import again
from saccade.study.again import Fitted, Marked, cascade, fit, look_again, shorter, trained, verdict
from saccade.study.cascade import Expected, Labelled
from saccade.study.compare import compare as run
from saccade.study.looking import GIVE_UP, LEAST, Looked, further, look, samples, seen
from saccade.study.reliability import reliability
from saccade.study.report import render
from saccade.study.rows import Asked
from saccade.study.sheets import Entrant
from saccade.study.table import table
from saccade.tasks.exam import Question
from saccade.tasks.scenes import Scenes
from saccade.views.sight import extent, shown_size
from tests.policies.fake import Fake, answer
from tests.servers import Running

EXAM = Scenes("test", 4)
ANSWERS = {question.text: question.answers[0] for scene in EXAM for question in scene.questions}


@dataclass(eq=False)
class Server(Fake):
    """Knows every answer, and reads a token for every 100 pixels; ``counts`` says what it tells of them."""

    remote: bool = True
    counts: bool = True

    def price(self, size: Size, request: Request) -> Price:
        return Price(None, None, None, None)

    def run(self, jobs: Sequence[Job]) -> list[Seen]:
        (job,) = jobs
        size = Size(*job.image.size)
        sizes = [shown_size(sight, size) for sight in shown(job.request)]
        tokens = sum(max(1, one.area // 100) for one in sizes)
        (seen,) = super().run(jobs)
        views = tuple(View(extent(s, size), one) for s, one in zip(shown(job.request), sizes, strict=True))
        return [replace(seen, views=views, visual_tokens=tokens if self.counts else None, tokens=tokens + 7)]


def right(request: Ask, size: Size) -> Answer:
    return answer(ANSWERS[request.question], 0.99)


def compared(server: Server, **policies):
    return run(EXAM, {}, reference="far", looking={"far": server}, policies=policies)


def test_a_server_is_its_own_reference_with_smaller_pictures_beside_it() -> None:
    found = compared(Server(asked=right), scales=Scales(gate=2), ladder=sides(64, None))
    whole, *smaller = [row for row in found.results.rows if row.policy in ("once", "resize")]
    assert found.results.leads(whole)
    assert (whole.fidelity, whole.params, whole.bytes, whole.slots) == ("hosted", None, None, None)
    assert (whole.flops.predicted, whole.flops.counted) == (None, None)
    assert all(row.baseline for row in smaller)
    quarter = next(row for row in smaller if row.visual_tokens / whole.visual_tokens == pytest.approx(1 / 4, abs=0.02))
    assert quarter.detail is not None
    ladder = next(one for one in found.policies.verdicts if one.policy == "ladder")
    assert ladder.resize is not None
    assert ladder.resize.policy == "resize"
    assert 1 <= ladder.resize.visual_tokens / ladder.visual_tokens < 1.2
    scales = next(one for one in found.policies.verdicts if one.policy == "scales")
    assert (scales.resize.policy, scales.best.policy) == ("once", "once")
    assert scales.best.detail.mean == 0
    assert {row.fidelity for row in found.results.rows if row.policy == "scales"} == {"faithful"}
    assert any(row.ms.p50 < row.ms.p95 for row in found.results.rows)
    assert found.faults == ()


def test_where_tokens_can_be_dropped_chance_and_even_rows_stand_too() -> None:
    from tests.models.hosted.families import made

    model, processor = made("qwen2_5_vl")
    found = run(Scenes("test", 2), {}, reference="far", looking={"far": Hosted(model, processor)}, seed=3)
    rows = {(row.policy, round(row.visual_tokens, 3)): row for row in found.results.rows}
    whole = next(row for row in found.results.rows if row.policy == "once")
    assert {policy for policy, _ in rows} == {"once", "resize", "random", "uniform"}
    for rule in ("random", "uniform"):
        kept = sorted(tokens for policy, tokens in rows if policy == rule)
        assert kept == [pytest.approx(whole.visual_tokens / share, abs=0.5) for share in (16, 4)]
    assert whole.params == sum(weight.numel() for weight in model.parameters())
    assert whole.bytes > 4 * whole.params
    assert whole.flops.predicted > 0


def test_tables_and_report_leave_open_what_a_server_does_not_tell() -> None:
    from rich.console import Console

    found = compared(Server(asked=right), scales=Scales(gate=2))
    page = render(found.results, found.shown)
    assert "far · scales" in page
    assert "whole picture at" in page
    assert "no tokens kept" not in page
    console = Console(width=120)
    with console.capture() as caught:
        console.print(table(found.results))
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

    found = compared(Server(asked=fails))
    asked = [question for scene in EXAM for question in scene.questions]
    known = [one for one in asked if ANSWERS[one.text] in one.answers and one.text != first]
    row = found.results.rows[0]
    assert row.detail.correct + row.gist.correct == len(known)
    read = [one.size.area // 100 for one in EXAM for question in one.questions if question.text != first]
    assert row.visual_tokens == pytest.approx(sum(read) / len(read))
    times = f"{len(asked) - len(read)} of {len(asked)} questions got no answer"
    assert any(times in fault and "far is asked too much" in fault for fault in found.faults)
    assert times in row.trained


def test_a_server_that_answers_nothing_ends_the_comparison() -> None:
    def fails(request: Ask, size: Size) -> Answer:
        raise SaccadeError("far is gone")

    server = Server(asked=fails)
    with pytest.raises(SaccadeError, match=f"far left {GIVE_UP} questions in a row without an answer.*far is gone"):
        look(EXAM, {"far": server}, "once", Once())
    assert len(server.log) < 3 * GIVE_UP


def test_a_server_that_answers_nothing_of_a_short_exam_ends_the_comparison() -> None:
    def fails(request: Ask, size: Size) -> Answer:
        raise SaccadeError("far is gone")

    exam = Scenes("test", 1)
    with pytest.raises(SaccadeError, match=f"far left {len(samples(exam))} questions in a row without an answer"):
        look(exam, {"far": Server(asked=fails)}, "once", Once())


def test_a_server_that_answers_now_and_then_is_asked_on() -> None:
    turns = count()

    def fails(request: Ask, size: Size) -> Answer:
        if next(turns) % 2:
            raise SaccadeError("far is asked too much")
        return answer("?", 0.5)

    found = look(Scenes("test", 3 * GIVE_UP), {"far": Server(asked=fails)}, "once", Once())
    assert len(found.results) - len(found.answered) > GIVE_UP


def test_a_server_beside_a_model_on_this_machine_may_fail_as_well() -> None:
    turns = count()

    def fails(request: Ask, size: Size) -> Answer:
        if next(turns) % 2:
            raise SaccadeError("far is asked too much")
        return answer("?", 0.5)

    bench = {"near": Fake(), "far": Server(asked=fails, name="far")}
    found = look(EXAM, bench, "ladder", Ladder(levels=(Level(policy=Once(), model="far"),)))
    assert 0 < len(found.answered) < len(found.results)


def test_a_server_that_counts_nothing_is_given_up_at_its_first_answer() -> None:
    class Silent(Server):
        def run(self, jobs: Sequence[Job]) -> list[Seen]:
            return [replace(one, visual_tokens=None, tokens=None) for one in super().run(jobs)]

    server = Silent(asked=right)
    with pytest.raises(SaccadeError, match="far answers, and says nothing of how many tokens it read"):
        compared(server)
    assert len(server.log) < 3 * GIVE_UP


def test_errors_of_a_model_on_this_machine_are_not_passed_over() -> None:
    def fails(request: Ask, size: Size) -> Answer:
        raise SaccadeError("out of room")

    with pytest.raises(SaccadeError, match="out of room"):
        look(EXAM, {"near": Fake(asked=fails)}, "once", Once())


def test_answers_may_be_as_long_as_the_longest_right_one() -> None:
    longest = max(len(text) for text in ANSWERS.values())
    assert {sample.max_tokens for sample, _, _ in samples(EXAM)} == {max(LEAST, longest)}
    server = Server(asked=right)
    look(EXAM, {"far": server}, "once", Once())
    assert {request.max_tokens for request in server.log} == {max(LEAST, longest)}


@dataclass(frozen=True)
class Page:
    """An exam of one picture."""

    questions: tuple[Question, ...]
    name: str = "page"
    size: Size = field(default_factory=lambda: Size(9, 9))

    def __len__(self) -> int:
        return 1

    def __iter__(self):
        return iter([self])

    def image(self) -> Image.Image:
        return Image.new("RGB", (9, 9))


def test_letters_of_several_bytes_may_be_tokens_each() -> None:
    page = Page((Question("?", ("é" * LEAST,), "word", "own"),))
    assert [sample.max_tokens for sample, _, _ in samples(page)] == [2 * LEAST]


def test_a_look_at_the_whole_is_no_place_on_the_path() -> None:
    found = look(EXAM, {"far": Server(asked=right)}, "once", Once())
    assert seen(found, next(iter(EXAM)), 0, found.results[0]).path == ()


ASKED = [Asked(f"picture {number}", Question("?", ("a",), "k", "detail"), 0.0) for number in range(4)]


def looked(marks: Sequence[int], outcomes: Sequence[Outcome | None] = (), tokens: int | None = 100) -> Looked:
    """A policy by hand; no outcome is a fault."""
    one = Look(Ask(question="?"), "far", (), Price(None, None, None, None), tokens, 120, 1.0)
    made = [
        Result(outcome or Outcome(Answer("")), Trace((one,)), None if outcome else "asked too much")
        for outcome in outcomes or [Outcome(Answer("a"))] * len(marks)
    ]
    return Looked("far", "scales", {"far": Server(name="far")}, tuple(made), np.asarray(marks, dtype=bool))


def marked(reader: str, policy: str, tokens: float, *marks: int) -> Marked:
    row = Row(
        reader=reader, policy=policy, budget=None, seed=0, visual_tokens=tokens, slots=None, detail=None, gist=None,
        own=None, kinds={}, flops=Flops(None), ms=Milliseconds(1, 2), bytes=None, params=None, fidelity="hosted",
        trained="", difference=Changes(),
    )  # fmt: skip
    return row, np.asarray(marks, dtype=bool)


def test_a_policy_has_to_beat_the_next_larger_picture_and_the_best_look_that_takes_no_more() -> None:
    whole, small = marked("far", "once", 400, 1, 1, 1, 1), marked("small", "once", 90, 0, 0, 0, 1)
    rows = [
        whole, small, marked("far", "resize", 120, 1, 1, 0, 0), marked("far", "resize", 110, 1, 0, 0, 0),
        marked("far", "resize", 80, 1, 1, 1, 1), marked("other", "once", 100.5, 0, 1, 1, 0),
        marked("late", "once", 101, 1, 1, 1, 1),
    ]  # fmt: skip
    found = verdict(looked([1, 1, 1, 0]), ASKED, rows)
    assert (found.resize.visual_tokens, found.resize.detail.mean) == (110, 0.5)
    assert (found.best.reader, found.best.detail.mean) == ("other", 0.25)
    alone = verdict(looked([1, 1, 1, 0]), ASKED, [whole, small])
    assert (alone.resize.visual_tokens, alone.resize.detail.mean) == (400, -0.25)
    assert verdict(looked([1, 1, 1, 0]), ASKED, [whole]).best is None


def test_a_cascade_by_hand() -> None:
    said, sure = [Outcome(Answer("a"), 0.9, level=number) for number in (1, 1, 2, 1, 1)], [0.9, 0.8, 0.7, 0.6, 0.9]
    refused, level = Refusal(0.05, 0.05, 9, 59, "too few"), Level(policy=Once(), scorer=Platt(0.5))
    ladder = Ladder(levels=(level, Level(policy=Once())))
    safe = looked([1, 1, 0, 0, 0], [*said[:3], Outcome(Answer("a"), 0.1, abstains=True), None])
    first = looked([1, 1, 0, 1, 0], [Outcome(Answer("a"), one) for one in sure])
    fitted = Fitted(ladder, ladder, Expected(0.5, 9.0, (1.0, 0.5)), (refused, refused), 7)
    found = cascade(looked([1, 1, 1, 0, 0], said), safe, first, fitted, Scenes("calibration", 2))
    assert found.reached == pytest.approx((1, 0.2))
    assert (found.coverage, found.risk) == pytest.approx((0.6, 1 / 3))
    assert found.raw == reliability(sure, [True, True, False, True, False])
    assert found.calibrated == reliability(Platt(0.5)(np.asarray(sure)).tolist(), [True, True, False, True, False])
    assert [one.level for one in found.proofs] == [1, 2]
    assert (found.labels, found.calibration) == (7, Scenes("calibration", 2).name)


def test_levels_are_labelled_on_their_own_models_and_after_the_level_below(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Labelled] = []
    cheapest = again.cheapest
    monkeypatch.setattr(
        again, "cheapest", lambda ladder, labelled: (kept.extend(labelled), cheapest(ladder, labelled))[1]
    )
    near, thin = Fake(asked=lambda *_: answer("b", 0.8)), Fake(asked=lambda *_: answer("a", 0.6), name="thin")
    levels = (Level(policy=Once(side=9), model="thin"), Level(policy=Once(side=99)), Level(policy=Once()))
    fit(EXAM, {"near": near, "thin": thin}, Ladder(levels=levels))
    assert (len(near.log), len(thin.log)) == (2 * len(samples(EXAM)), len(samples(EXAM)))
    before = [None, answer("a", 0.6), answer("b", 0.8)]
    for one, other, earlier in zip(kept, ("a", "b", "b"), before, strict=True):
        assert one.features is not None
        assert one.features[0] == Features.of(answer(other, 0.6 if other == "a" else 0.8), earlier)


def test_ladders_are_fitted_to_the_calibration_exam() -> None:
    calibration = Scenes("calibration", 2)
    near = Fake(asked=lambda request, size: answer("a" if size.long % 2 else "b", 0.7))
    found = look_again(EXAM, calibration, {"near": near}, {}, {"ladder": sides(64, None)})
    assert found.cascades[0].labels == len(samples(calibration)) != len(samples(EXAM))


def test_one_look_whose_pictures_are_not_told_apart_is_said() -> None:
    mixed = replace(looked([1]), results=looked([1]).results + looked([1], tokens=None).results)
    assert "whole prompts are counted" in trained(mixed)
    assert "whole prompts" not in trained(looked([1]))


def test_smaller_pictures_are_square_roots_of_tokens() -> None:
    assert shorter([], 100) == [0.5, 0.25]
    assert shorter([64, 100, 300, 0], 100) == [pytest.approx(0.82, abs=0.01), 0.5, 0.25]
    assert shorter([99], 100) == [0.5, 0.25]  # with the room that is left for rounding, that is all of it


def test_a_picture_at_a_share_of_its_length() -> None:
    sides: list[int | None] = []
    fake = Fake(asked=lambda request, size: sides.append(request.sights[0].side) or answer("x"))
    for policy in (Once(share=0.5), Once(share=0.5, side=40), Once(share=1.0), Once(share=0.001)):
        look(Scenes("test", 1), {"near": fake}, "x", policy)
    long = next(iter(Scenes("test", 1))).size.long
    assert list(dict.fromkeys(sides)) == [round(long / 2), 40, None, 1]
    with pytest.raises(SaccadeError, match=r"above 0 and up to 1, got 1\.5"):
        Once(share=1.5)


def test_our_server_gets_the_rows_of_the_reader_that_it_serves(ours: Running) -> None:
    far = f"{ours.url}#{ours.model}"
    there = compare(models=[far], pictures=3, policies=["zoom-tree"])
    here = compare(models=["llava"], pictures=3, policies=["zoom-tree"], budgets=(16,))
    row = next(row for row in there.results.rows if row.policy == "once")
    own = next(row for row in here.results.rows if (row.reader, row.policy) == ("llava", "once"))
    assert (row.reader, row.detail, row.gist, row.visual_tokens) == (far, own.detail, own.gist, own.visual_tokens)
    assert [row.policy for row in there.results.rows] == ["once", "resize", "resize", "zoom-tree"]
    assert there.results.exam.resolvable_px is None


def test_readers_of_ours_and_a_server_side_by_side() -> None:
    llava = embedded("llava")
    entrant = Entrant(llava, "faithful", "x", baseline=True)
    found = run(
        EXAM,
        {"llava": entrant},
        reference="llava",
        budgets=(16,),
        looking={"llava": Composed("llava", llava), "far": Server(asked=right)},
        policies={"scales": Scales()},
    )
    rows = {(row.reader, row.policy) for row in found.results.rows}
    assert {("llava", "once"), ("llava", "scales"), ("far", "once"), ("far", "resize"), ("far", "scales")} <= rows
    near, far = found.policies.verdicts
    assert (near.reader, near.best.reader) == ("llava", "llava")
    assert (far.reader, far.best.reader, far.resize.reader) == ("far", "far", "far")
    mine = next(row for row in found.results.rows if (row.reader, row.policy) == ("far", "once"))
    assert mine.difference.detail is not None
    assert mine.difference.detail.mean == pytest.approx(1 - own_detail(found))


def own_detail(found) -> float:
    return next(row for row in found.results.rows if (row.reader, row.policy) == ("llava", "once")).detail.accuracy


def test_a_reference_has_to_take_part_as_a_reader_where_there_are_readers() -> None:
    entrant = Entrant(embedded("llava"), "faithful", "x", baseline=True)
    with pytest.raises(SaccadeError, match="'far' takes no part; known: llava"):
        run(EXAM, {"llava": entrant}, reference="far", looking={"far": Server(asked=right)})


def test_a_level_takes_nothing_for_what_a_level_below_was_shown() -> None:
    exam, server = Scenes("test", 2), Server(asked=lambda request, size: answer("?", 0.5))
    low, same, high = (look(exam, {"far": server}, "x", policy) for policy in (Once(), Once(), Scales(gate=2)))
    whole = [one.trace.taken for one in low.results]
    assert further(low, [], exam) == whole
    assert further(same, [low], exam) == [0] * len(whole)
    assert further(high, [low], exam) == [
        one.trace.taken - first for one, first in zip(high.results, whole, strict=True)
    ]
