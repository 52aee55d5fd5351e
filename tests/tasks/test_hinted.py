"""Questions with a hint behind them."""

from saccade.tasks.hinted import hinted
from saccade.tasks.scenes import Scenes


def test_every_question_ends_in_the_hint_and_nothing_else_changes() -> None:
    plain = Scenes("test", 2)
    told = hinted(plain, " Answer with one word. ")
    assert len(told) == 2
    assert told.name == "scenes/1 test 0:2, asked with 'Answer with one word.'"
    for one, other in zip(plain, told, strict=True):
        assert (other.name, other.size, other.image().tobytes()) == (one.name, one.size, one.image().tobytes())
        for before, after in zip(one.questions, other.questions, strict=True):
            assert after.text == f"{before.text} Answer with one word."
            assert (after.answers, after.kind, after.evidence) == (before.answers, before.kind, before.evidence)


def test_no_hint_changes_nothing() -> None:
    plain = Scenes("test", 2)
    assert hinted(plain, "") is plain
    assert hinted(plain, "  ") is plain
