"""Pictures for the report: few, from large text to small, and each look as it was read."""

from saccade.backends.open import open_model
from saccade.core.selection import TokenSelection
from saccade.core.size import Size
from saccade.evaluation.candidates import Candidate
from saccade.evaluation.metrics.marking import Marking
from saccade.evaluation.runner import PosedQuestion, Runner
from saccade.evaluation.scoring import Entry, heights_of
from saccade.evaluation.showing import MIDDLE, PICTURES, picks, pictures_shown
from saccade.evaluation.storage.journal import MemoryJournal
from saccade.policies.scales import Scales
from saccade.policies.single_look import SingleLook
from saccade.tasks.exam import Question
from saccade.tasks.scenes import Scenes
from tests.evaluation.small import Own, Server, candidate, numbered
from tests.policies.fake import Fake, answer


def entries(runner: Runner, *made: Candidate) -> list[Entry]:
    return [Entry((one,), (tuple(answers),)) for one, answers in zip(made, runner.run(made), strict=True)]


def test_pictures_are_picked_from_large_text_to_small() -> None:
    made = [
        PosedQuestion(Own(f"p{number}"), place, Question("?", ("a",), "text", scale, glyph=float(number)))
        for number in range(9)
        for place, scale in ((0, "detail" if number else "gist"), (1, "detail"))
    ]
    heights = {one.key: one.question.glyph for one in made}
    found = picks(made, heights)
    assert [one.picture.name for one in found] == ["p8", "p6", "p4", "p2"]
    assert {one.place for one in found} == {0}
    assert len(picks(made[:4], heights)) == 1
    assert picks([], {}) == []


def test_what_is_shown_is_what_was_read_and_only_middle_baselines_are_drawn() -> None:
    llava = open_model("llava")
    policies = [
        ("once", SingleLook(top=0), None),
        ("resize", SingleLook(tokens=MIDDLE, top=0), MIDDLE),
        ("random", SingleLook(keep=TokenSelection(rule="random", tokens=MIDDLE), top=0), MIDDLE),
        ("uniform", SingleLook(keep=TokenSelection(rule="uniform", tokens=4), top=0), 4),
    ]
    runner = Runner(Scenes("test", 2), MemoryJournal(), Marking())
    made = [
        Candidate(model="llava", title=title, policy=policy, bench={"llava": llava}, budget=budget)
        for title, policy, budget in policies
    ]
    found = entries(runner, *made)
    shown = pictures_shown(runner, found, heights_of(runner.posed, llava))
    assert 1 <= len(shown) <= PICTURES
    numbers = {one.key: number for number, one in enumerate(runner.posed)}
    for one in shown:
        assert [look.reader for look in one.seen] == ["llava", f"llava · resize {MIDDLE}", f"llava · random {MIDDLE}"]
        for entry, look in zip(found, one.seen, strict=False):
            answered = entry.answers[0][numbers[one.name, 0]]
            assert (look.answer, look.visual_tokens, look.slots) == (
                answered.said,
                answered.visual_tokens,
                answered.slots,
            )
            assert look.right == (answered.score == 1)
            if entry.candidate.title != "resize":  # of a frame that is not square, some tokens stand on padding
                assert len(look.ledger) == answered.visual_tokens


def test_a_model_of_which_nothing_is_known_is_shown_with_its_answer_alone() -> None:
    runner = Runner(numbered(2), MemoryJournal(), Marking())
    (one, _) = pictures_shown(
        runner, entries(runner, candidate(Server(asked=lambda *_: answer("0")))), heights_of(runner.posed, None)
    )
    (look,) = one.seen
    assert (look.answer, look.layout.views, len(look.ledger), look.right) == ("0", (), 0, True)


def test_a_look_at_the_whole_is_no_place_on_the_path_and_parts_are() -> None:
    runner = Runner(numbered(1), MemoryJournal(), Marking())
    fake = Fake(asked=lambda *_: answer("0", 0.5))
    made = [
        candidate(fake, SingleLook(), title="a", detailed=True),
        candidate(fake, Scales(gate=2), title="b", detailed=True),
    ]
    (one,) = pictures_shown(runner, entries(runner, *made), heights_of(runner.posed, None))
    whole, parts = one.seen
    assert whole.path == ()
    assert len(parts.path) == len(set(parts.path)) > 1
    assert one.image.size == (Size(50, 40).width, Size(50, 40).height)
