"""The runner: every question once, whatever the model, and nothing lost where one fails."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from saccade.backends.embedded.family import embedded
from saccade.backends.open import open_model
from saccade.core.answer import Answer
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask
from saccade.core.size import Size
from saccade.evaluation.metrics.marking import Marking
from saccade.evaluation.runner import GIVE_UP, LEAST, PICTURES_AT_ONCE, Runner
from saccade.evaluation.storage.journal import FileJournal, MemoryJournal
from saccade.policies.ladder import Ladder, Level
from saccade.policies.single_look import SingleLook
from saccade.policies.zoom import AttentionZoom
from saccade.tasks.exam import Question
from saccade.tasks.scenes import Scenes
from tests.evaluation.small import (
    ANSWERS,
    ASKED,
    EXAM,
    Own,
    OwnExam,
    Server,
    asked,
    candidate,
    numbered,
    right,
)
from tests.policies.fake import Fake, answer


def fails(request: Ask, size: Size) -> Answer:
    raise SaccadeError("far is gone")


def now_and_then():
    turns = count()

    def one(request: Ask, size: Size) -> Answer:
        if next(turns) % 2:
            raise SaccadeError("far is asked too much")
        return answer("?", 0.5)

    return one


@pytest.mark.parametrize("kind", [Fake, Server])
def test_every_question_is_asked_once_and_answered_in_order(kind: type[Fake]) -> None:
    exam = numbered(13, 3)
    model = kind(asked=lambda request, _: answer(request.question))
    (found,) = asked(exam, candidate(model))
    assert [(one.picture, one.place, one.said) for one in found] == [
        (picture.name, place, question.text) for picture in exam for place, question in enumerate(picture.questions)
    ]
    assert sorted(request.question for request in model.log) == sorted(one.said for one in found)


def test_a_picture_is_opened_once_for_all_local_models() -> None:
    exam = numbered(2 * PICTURES_AT_ONCE + 3, 2)
    asked(exam, *(candidate(Fake(name=name)) for name in "abc"))
    assert {one.opened for one in exam.pictures} == {1}


def test_answers_are_those_of_each_model_alone() -> None:
    models = [Fake(asked=right, name="a"), Server(asked=right, name="b"), Fake(name="c", tokens=7)]
    together = asked(EXAM, *map(candidate, models))
    for model, found in zip(models, together, strict=True):
        (alone,) = asked(EXAM, candidate(model))
        assert [replace(one, ms=0.0).__repr__() for one in found] == [replace(one, ms=0.0).__repr__() for one in alone]


def test_one_look_is_what_the_reader_says_by_itself() -> None:
    exam, reader = Scenes("test", 3), embedded("llava")
    model = open_model("llava")
    (found,) = asked(exam, candidate(model))  # type: ignore[arg-type]
    pictures = list(exam)
    texts = [[question.text for question in one.questions] for one in pictures]
    said = reader.ask(reader.encode([one.image() for one in pictures]), texts)
    assert [one.said for one in found] == [answer.text for answers in said for answer in answers]
    assert {one.visual_tokens for one in found} == {256}
    assert [one.counted for one in found] == [one.predicted for one in found]


def test_answers_may_be_as_long_as_the_longest_right_one() -> None:
    longest = max(len(text) for text in ANSWERS.values())
    server = Server(asked=right)
    asked(EXAM, candidate(server))
    assert {request.max_tokens for request in server.log} == {max(LEAST, longest)}
    page = OwnExam([Own("page", (Question("?", ("é" * LEAST,), "word", "own"),))])
    fake = Fake()
    asked(page, candidate(fake))
    assert [request.max_tokens for request in fake.log] == [2 * LEAST]


def test_costs_add_up_over_looks() -> None:
    ladder = Ladder(levels=(Level(policy=SingleLook(side=30)), Level(policy=SingleLook())))
    fake = Fake(asked=lambda *_: answer("?", 0.5), bytes=9)
    (found,) = asked(numbered(2), candidate(fake, ladder, title="ladder", detailed=True))
    one = found[0]
    assert (one.looks, one.visual_tokens, one.tokens, one.predicted, one.bytes) == (2, 200, 220, 200_000, 9)
    assert [look.request.sights[0].side for look in one.result.trace.looks] == [30, None]


def test_a_question_without_an_answer_is_wrong_and_the_others_go_on() -> None:
    first = next(iter(ANSWERS))

    def one_fails(request: Ask, size: Size) -> Answer:
        return fails(request, size) if request.question == first else right(request, size)

    (found,) = asked(EXAM, candidate(Server(asked=one_fails)))
    assert len(found) == ASKED
    gone = [one for one in found if one.error is not None]
    assert gone
    assert {(one.error, one.score, one.said) for one in gone} == {("far is gone", 0.0, "")}


def test_a_server_that_answers_nothing_ends_the_comparison() -> None:
    server, journal = Server(asked=fails), MemoryJournal()
    with pytest.raises(SaccadeError, match=f"far left {GIVE_UP} questions in a row without an answer.*far is gone"):
        asked(EXAM, candidate(server), journal=journal)
    assert len(server.log) < 3 * GIVE_UP
    assert not journal.known(candidate(server).key)


def test_a_server_that_answers_nothing_of_a_short_exam_ends_the_comparison() -> None:
    with pytest.raises(SaccadeError, match="far left 3 questions in a row without an answer"):
        asked(numbered(3), candidate(Server(asked=fails)))


def test_a_server_that_answers_now_and_then_is_asked_on() -> None:
    (found,) = asked(numbered(4 * GIVE_UP), candidate(Server(asked=now_and_then())))
    assert sum(one.error is not None for one in found) > GIVE_UP


def test_a_server_beside_a_model_on_this_machine_may_fail_as_well() -> None:
    ladder = Ladder(levels=(Level(policy=SingleLook(), model="far"),))
    bench = {"near": Fake(name="near"), "far": Server(asked=now_and_then())}
    (found,) = asked(EXAM, candidate(Fake(name="near"), ladder, title="ladder", bench=bench))
    assert 0 < sum(one.error is None for one in found) < ASKED


@pytest.mark.parametrize(("asks", "gone"), [(1000, 900), (100, 0), (100, 60)])
def test_a_server_that_dies_costs_what_it_had_not_answered(tmp_path: Path, asks: int, gone: int) -> None:
    exam, answered = numbered(asks // 4, 4), count()

    def dies(request: Ask, size: Size) -> Answer:
        return answer("1") if next(answered) < gone else fails(request, size)

    with FileJournal(tmp_path, {}) as journal, pytest.raises(SaccadeError, match="resumes from there"):
        asked(exam, candidate(Server(asked=dies)), journal=journal)
    again = Server(asked=lambda *_: answer("1"))
    with FileJournal(tmp_path, {}) as journal:
        (found,) = asked(exam, candidate(again), journal=journal)
    assert len(again.log) == asks - gone
    assert {one.error for one in found} == {None}


def test_a_server_that_counts_nothing_is_given_up_at_its_first_answer() -> None:
    class Silent(Server):
        def run(self, jobs):
            return [replace(one, visual_tokens=None, tokens=None) for one in super().run(jobs)]

    server = Silent(asked=right)
    with pytest.raises(SaccadeError, match="far answers, and says nothing of how many tokens it read"):
        asked(EXAM, candidate(server))
    assert len(server.log) < 3 * GIVE_UP


def test_errors_of_a_model_on_this_machine_are_not_passed_over_and_cost_no_answers(tmp_path: Path) -> None:
    exam, turns = numbered(3 * PICTURES_AT_ONCE), count()

    def breaks(request: Ask, size: Size) -> Answer:
        if next(turns) == 2 * PICTURES_AT_ONCE:
            raise SaccadeError("out of room")
        return answer("0")

    with FileJournal(tmp_path, {}) as journal, pytest.raises(SaccadeError, match="out of room"):
        asked(exam, candidate(Fake(asked=breaks)), journal=journal)
    again = Fake(asked=lambda *_: answer("0"))
    with FileJournal(tmp_path, {}) as journal:
        asked(exam, candidate(again), journal=journal)
    assert len(again.log) == PICTURES_AT_ONCE


def test_what_a_model_cannot_do_is_refused_before_anything_is_asked() -> None:
    near, resampler = Fake(), open_model("resampler-4")
    with pytest.raises(SaccadeError, match=r"AttentionZoom needs .*ATTN_LM.*, which resampler-4 has not"):
        asked(EXAM, candidate(near), candidate(resampler, AttentionZoom(), title="zoom"))  # type: ignore[arg-type]
    assert not near.log


def test_two_benchmarks_in_one_journal_are_told_apart() -> None:
    journal, fake = MemoryJournal(), Fake(asked=lambda *_: answer("0"))
    for split in ("", "calibration"):
        Runner(numbered(3), journal, Marking(), split=split).run([candidate(fake)])
    assert len(fake.log) == 6
    keys = {Runner(numbered(1), journal, Marking(), split=s).sample(one).key for s in ("", "x") for one in _posed()}
    assert len(keys) == 2


def _posed():
    return Runner(numbered(1), MemoryJournal(), Marking()).posed


def test_a_benchmark_that_asks_nothing_is_refused() -> None:
    with pytest.raises(SaccadeError, match="the benchmark own asks nothing"):
        asked(OwnExam([Own("a", ())]), candidate(Fake()))


def test_progress_counts_every_models_pictures_and_every_question_of_a_server() -> None:
    told: list[tuple[str, int, int]] = []
    exam = numbered(PICTURES_AT_ONCE + 2)
    runner = Runner(exam, MemoryJournal(), Marking(), lambda *found: told.append(found))
    runner.run([candidate(Fake(name=name)) for name in "ab"])
    assert told == [("2 candidates", done, 24) for done in (10, 20, 22, 24)]
    told.clear()
    far = candidate(Server())
    runner.run([far])
    assert told == [(far.key, done, 12) for done in range(1, 13)]


def test_progress_goes_on_from_what_is_known() -> None:
    journal, told = MemoryJournal(), list[tuple[str, int, int]]()
    far = candidate(Server())
    Runner(numbered(4), journal, Marking()).run([far])
    Runner(numbered(6), journal, Marking(), lambda *found: told.append(found)).run([far])
    assert told == [(far.key, 5, 6), (far.key, 6, 6)]
