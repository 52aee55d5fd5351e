"""The same ladder and the same tree, unchanged, over real servers and over the model itself."""

import pytest

from saccade.backends.open import open_model
from saccade.core.caps import Cap
from saccade.policies.base import Sample
from saccade.policies.ladder import sides
from saccade.policies.scheduler import Scheduler
from saccade.policies.zoom_tree import ZoomTree
from saccade.tasks.scenes import Scenes
from tests.servers import Running

LADDER = sides(64, None, agree=True)
TREE = ZoomTree(visits=4, both=False)
SCENES = list(Scenes("calibration", 3))
SAMPLES = [Sample(scene, question.text, scene.name) for scene in SCENES for question in scene.questions[:2]]


@pytest.mark.parametrize("policy", [LADDER, TREE], ids=["ladder", "zoom-tree"])
def test_our_server_leads_a_policy_to_the_same_looks_as_the_model_itself(ours: Running, policy) -> None:
    """A picture sent small is made small twice, so the ladder's first level is compared by what it costs alone."""
    remote = open_model(f"{ours.url}#{ours.model}")
    assert remote.caps & Cap.LOGPROBS
    far = Scheduler({"far": remote}, threads=4).run(policy, SAMPLES)
    near = Scheduler({"near": open_model("llava")}).run(policy, SAMPLES)
    for one, other in zip(far, near, strict=True):
        assert one.outcome.answer.logprobs
        assert one.trace.looks[-1].visual_tokens
        if policy is TREE and not remote.caps & Cap.INSTRUCT:
            assert one.outcome.answer.text == other.outcome.answer.text
            assert one.outcome.boxes == other.outcome.boxes
            assert one.outcome.confidence == pytest.approx(other.outcome.confidence, abs=1e-4)


@pytest.mark.parametrize("policy", [LADDER, TREE], ids=["ladder", "zoom-tree"])
def test_a_server_without_log_probabilities_is_driven_by_agreement(theirs: Running, policy) -> None:
    remote = open_model(f"{theirs.url}#{theirs.model}")
    assert not remote.caps & Cap.LOGPROBS
    results = Scheduler({"far": remote}, threads=2).run(policy, SAMPLES[:2])
    for one in results:
        assert one.outcome.answer.logprobs == ()
        assert len(one.trace.looks) >= 2
        assert one.outcome.confidence in (None, 0.0, 1.0)
