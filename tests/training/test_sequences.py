"""Sequences of several pictures: read as a prompt with examples is, and every answer learned."""

import numpy as np
import pytest
import torch

from saccade.backends.embedded.family import embedded, family
from saccade.core.size import Size
from saccade.tasks.scenes import Scene
from saccade.training.features import FeatureImage, TrainingQuestion, ask
from saccade.training.sequences import LEARNABLE, LONGEST, UNSPELT, draw, episodes

SPEC = family()["flamingo"]
KINDS = ("digit", *UNSPELT)


def seen(kinds: tuple[str, ...] = KINDS) -> FeatureImage:
    layout = SPEC.views.layout(Size(200, 160))
    asked = tuple(
        TrainingQuestion((30 + n, 220), (40 + n, 2), kind, float("inf") if kind in UNSPELT else 9.0)
        for n, kind in enumerate(kinds)
    )
    return FeatureImage(layout, ((SPEC.grids(layout)[0], 0),), asked)


def test_an_episode_is_a_run_of_pictures_questions_and_answers() -> None:
    one, other = seen().asked[:2]
    batch = episodes(SPEC, [[(seen(), one), (seen(), other)], [(seen(), other)]], [True, False], [220])
    assert batch.ids[0].tolist() == [1, 3, *one.question, *one.answer, 3, *other.question, *other.answer]
    assert batch.positions[0].tolist() == list(range(batch.ids.shape[1]))
    assert batch.looking[0].tolist() == [-1, *[0] * 5, *[1] * 5]
    # The token before each of an answer's learns it; the end marker itself is followed by nothing learned.
    learned = [-100] * 3 + list(one.answer) + [-100] * 3 + list(other.answer) + [-100]
    assert batch.target[0].tolist() == learned
    assert batch.ids[1].tolist()[:5] == [1, 3, 220, *other.answer]
    assert batch.mask[0, 0].equal(torch.ones(11, 11).tril().bool())
    assert not batch.marks.any()
    assert batch.looking[1, 5:].eq(-1).all()


def test_episodes_are_read_as_prompts_with_examples_are() -> None:
    """The ids of a training sequence are those of the prompt that ``ask`` writes for the same examples."""
    reader = embedded("llava")
    scenes = [Scene("calibration", index) for index in range(4)]
    told = [(seen_of(scene), one) for scene in scenes for one in seen_of(scene).asked[:1]]
    batch = episodes(SPEC, [told], [True], [])
    questions = [scene.questions[0] for scene in scenes]
    text = "".join(SPEC.template.replace("{question}", one.text) + one.answers[0] + SPEC.closing for one in questions)
    assert batch.ids[0].tolist() == reader.tokenizer(text)["input_ids"]


def seen_of(scene: Scene) -> FeatureImage:
    layout = SPEC.views.layout(scene.size)
    asked = ask(scene, layout, embedded("llava").tokenizer, SPEC.template)
    return FeatureImage(layout, ((SPEC.grids(layout)[0], 0),), asked)


def test_what_is_drawn() -> None:
    pictures = [seen() for _ in range(12)] + [seen(("digit", "background"))]
    rng = np.random.default_rng(0)
    lengths, kinds = set(), set()
    for _ in range(400):
        turns, spelt = draw(pictures, rng)
        numbers = [number for number, _ in turns]
        assert len(set(numbers)) == len(numbers)
        assert all(one in pictures[number].asked for number, one in turns)
        assert all(one.height >= LEARNABLE for _, one in turns)
        if not spelt:
            assert len({one.kind for _, one in turns}) == 1
            kinds.add(turns[0][1].kind)
        lengths.add(len(turns))
    assert lengths == set(range(1, LONGEST + 1))
    assert kinds == set(UNSPELT)


@pytest.mark.parametrize("kinds", [("digit", "background")])
def test_a_kind_that_no_drawn_picture_has_is_drawn_again(kinds: tuple[str, ...]) -> None:
    rng = np.random.default_rng(1)
    found = [draw([seen(kinds)] * 10, rng) for _ in range(60)]
    assert all(turns for turns, _ in found)
    assert {turns[0][1].kind for turns, spelt in found if not spelt} == {"background"}
