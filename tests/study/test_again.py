"""Models that are not put together here, compared: what they say once, at smaller pictures, and looking again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from saccade.api.comparing import compare
from saccade.core.answer import Answer
from saccade.core.backend import Job, Seen
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask, Request, shown
from saccade.core.size import Size
from saccade.core.trace import Price
from saccade.core.view import View
from saccade.models.composed import Composed
from saccade.models.embedded import embedded
from saccade.models.hosted import Hosted
from saccade.policies.ladder import sides
from saccade.policies.once import Once
from saccade.policies.scales import Scales
from saccade.study.again import shorter
from saccade.study.compare import compare as run
from saccade.study.looking import GIVE_UP, LEAST, further, look, samples
from saccade.study.report import render
from saccade.study.sheets import Entrant
from saccade.study.table import table
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
