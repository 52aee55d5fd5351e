"""Ladders in a comparison: fitted to what each level says on its own model, charged for what is new, judged by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from saccade.core.answer import Answer
from saccade.core.request import Ask
from saccade.core.trace import CostEstimate, Look, Trace
from saccade.evaluation import ladders
from saccade.evaluation.answered import Answered
from saccade.evaluation.cascade import ExpectedLadder, Labelled
from saccade.evaluation.ladders import RIGHT, Fitted, cascade, fit, further, level_candidate, right
from saccade.evaluation.metrics.marking import Marking
from saccade.evaluation.runner import Runner
from saccade.evaluation.statistics.reliability import reliability
from saccade.evaluation.storage.journal import MemoryJournal
from saccade.policies.base import Outcome, Policy, Result
from saccade.policies.calibration.calibrate import Platt
from saccade.policies.calibration.certify import Refusal
from saccade.policies.calibration.confidence import Features
from saccade.policies.ladder import Ladder, Level
from saccade.policies.scales import Scales
from saccade.policies.single_look import SingleLook
from tests.evaluation.small import ASKED, EXAM, Server, candidate, numbered
from tests.policies.fake import Fake, answer


def by_hand(score: float, outcome: Outcome, error: str | None = None) -> Answered:
    look = Look(Ask(question="?"), "far", (), CostEstimate(None, None, None, None), 100, 120, 1.0)
    costs = {"tokens": 120, "slots": None, "predicted": None, "counted": None, "bytes": None, "ms": 1.0, "looks": 1}
    fresh = Result(outcome, Trace((look,)), error)
    return Answered(
        picture="p", place=0, said="", read="", score=score, visual_tokens=100, error=error, fresh=fresh, **costs
    )  # fmt: skip


def test_right_is_half_a_point_and_an_answer() -> None:
    marks = [by_hand(score, Outcome(Answer("a"))) for score in (0.0, RIGHT - 0.01, RIGHT, 1.0)]
    assert right([*marks, by_hand(1.0, Outcome(Answer("")), "gone")]).tolist() == [False, False, True, True, False]


def test_a_level_runs_on_its_own_model_with_the_others_beside_it() -> None:
    bench = {"near": Fake(name="near"), "thin": Fake(name="thin")}
    ladder = Ladder(levels=(Level(policy=SingleLook(side=9), model="thin"), Level(policy=SingleLook())))
    low, high = (level_candidate("near", bench, ladder, place) for place in (1, 2))
    assert (low.backend.name, high.backend.name) == ("thin", "near")
    assert set(low.bench) == set(high.bench) == {"near", "thin"}
    assert (low.title, high.title, low.detailed) == ("ladder, level 1", "ladder, level 2", True)
    assert low.key != high.key


def test_levels_are_labelled_on_their_own_models_and_after_the_level_below(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Labelled] = []
    cheapest = ladders.cheapest
    monkeypatch.setattr(
        ladders, "cheapest", lambda ladder, labelled: (kept.extend(labelled), cheapest(ladder, labelled))[1]
    )
    near, thin = (Fake(asked=lambda *_, n=n, s=s: answer(n, s), name=n) for n, s in (("b", 0.8), ("a", 0.6)))
    levels = (
        Level(policy=SingleLook(side=9), model="a"),
        Level(policy=SingleLook(side=99)),
        Level(policy=SingleLook()),
    )
    found = fit(Runner(EXAM, MemoryJournal(), Marking()), "b", {"b": near, "a": thin}, Ladder(levels=levels))
    assert (len(near.log), len(thin.log)) == (2 * ASKED, ASKED)
    assert found.labels == ASKED
    before = [None, answer("a", 0.6), answer("b", 0.8)]
    for one, (said, sure), earlier in zip(kept, (("a", 0.6), ("b", 0.8), ("b", 0.8)), before, strict=True):
        assert one.features is not None
        assert one.features[0] == Features.of(answer(said, sure), earlier)
        assert one.sure.tolist() == pytest.approx([sure] * ASKED)


def test_a_level_takes_nothing_for_what_a_level_below_was_shown() -> None:
    exam, server = numbered(2, 2), Server(asked=lambda *_: answer("?", 0.5))
    runner = Runner(exam, MemoryJournal(), Marking())
    policies: Sequence[tuple[str, Policy]] = (("low", SingleLook()), ("same", SingleLook()), ("high", Scales(gate=2)))
    made = [candidate(server, policy, title=title, detailed=True) for title, policy in policies]
    low, same, high = runner.run(made)
    bench = made[0].bench
    assert further(low, [], runner.posed, bench) == [one.visual_tokens for one in low]
    assert further(same, [low], runner.posed, bench) == [0] * 4
    assert further(high, [low], runner.posed, bench) == [
        one.visual_tokens - first.visual_tokens for one, first in zip(high, low, strict=True)
    ]
    assert min(further(high, [low], runner.posed, bench)) > 0


def test_a_cascade_by_hand() -> None:
    sure = [0.9, 0.8, 0.7, 0.6, 0.9]
    levels = [
        by_hand(mark, Outcome(Answer("a"), 0.9, level=n))
        for mark, n in zip((1, 1, 1, 0, 0), (1, 1, 2, 1, 1), strict=True)
    ]
    safe = [by_hand(mark, Outcome(Answer("a"), 0.9)) for mark in (1, 1, 0)]
    safe += [by_hand(0, Outcome(Answer("a"), 0.1, abstains=True)), by_hand(0, Outcome(Answer("")), "gone")]
    first = [by_hand(mark, Outcome(Answer("a"), one)) for mark, one in zip((1, 1, 0, 1, 0), sure, strict=True)]
    refused, level = Refusal(0.05, 0.05, 9, 59, "too few"), Level(policy=SingleLook(), scorer=Platt(0.5))
    ladder = Ladder(levels=(level, Level(policy=SingleLook())))
    fitted = Fitted(ladder, ladder, ExpectedLadder(0.5, 9.0, (1.0, 0.5)), (refused, refused), 7)
    found = cascade("far", levels, safe, first, fitted, "calibration")
    assert found.reached == pytest.approx((1, 0.2))
    assert (found.coverage, found.risk) == pytest.approx((0.6, 1 / 3))
    known = [True, True, False, True, False]
    assert found.raw == reliability(sure, known)
    assert found.calibrated == reliability(Platt(0.5)(np.asarray(sure)).tolist(), known)
    assert [one.level for one in found.proofs] == [1, 2]
    assert (found.labels, found.calibration, found.promised) == (7, "calibration", 0.05)


def test_where_everything_is_abstained_from_there_is_no_risk() -> None:
    gone = [by_hand(0, Outcome(Answer("a"), 0.1, level=1, abstains=True))] * 2
    ladder = Ladder(levels=(Level(policy=SingleLook()),))
    found = cascade("far", gone, gone, gone, Fitted(ladder, ladder, ExpectedLadder(0, 1.0, (1.0,)), (), 2), "c")
    assert (found.coverage, found.risk) == (0.0, None)
