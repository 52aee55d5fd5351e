"""Views that went through a tower are kept for other models, within a limit, and times do not tell who came first."""

from dataclasses import replace

import torch

from saccade.backends.composed.backend import ComposedBackend, share_towers
from saccade.backends.composed.encodings import Encodings
from saccade.backends.composed.vision_memo import VisionMemo, rejoined
from saccade.backends.embedded.family import embedded
from saccade.core.backend import Backend, Job
from saccade.core.request import Ask, ImageRegion
from saccade.core.selection import TokenSelection
from saccade.runtime.reader import Reader
from tests.parts import picture

IMAGES = [picture(120, 90), picture(90, 120), picture(64, 64)]
KEYS = ["a", "b", "c"]


def reader(name: str = "llava") -> Reader:
    return embedded(name)


@torch.inference_mode()
def test_what_is_remembered_is_what_the_tower_makes() -> None:
    one, memo = reader(), VisionMemo()
    first, before = memo.viewed(one, KEYS, IMAGES)
    again, spared = memo.viewed(one, KEYS[::-1], IMAGES[::-1])
    assert before == 0
    assert again == first[::-1]
    assert spared == sum(seen.seconds for seen in first)
    made = one.connected(rejoined(first, 2))
    for ours, theirs in zip(made, one.encode(IMAGES), strict=True):
        torch.testing.assert_close(ours.tokens, theirs.tokens, rtol=1e-5, atol=1e-5)
        assert ours.layout == theirs.layout


@torch.inference_mode()
def test_equal_weights_share_and_others_do_not() -> None:
    memo = VisionMemo()
    (first,), _ = memo.viewed(reader(), ["a"], IMAGES[:1])
    (same,), _ = memo.viewed(reader("merge-16"), ["a"], IMAGES[:1])
    changed = reader()
    next(changed.tower.parameters()).data.add_(1)
    (other,), _ = memo.viewed(changed, ["a"], IMAGES[:1])
    assert same is first
    assert other is not first


@torch.inference_mode()
def test_the_oldest_go_first() -> None:
    one = reader()
    (size,) = {seen.nbytes for seen in VisionMemo().viewed(one, KEYS, IMAGES)[0]}
    memo = VisionMemo(2 * size)
    first, _ = memo.viewed(one, KEYS[:2], IMAGES[:2])
    memo.viewed(one, KEYS[:1], IMAGES[:1])
    memo.viewed(one, KEYS[2:], IMAGES[2:])
    (kept, anew), _ = memo.viewed(one, KEYS[:2], IMAGES[:2])
    assert kept is first[0]
    assert anew is not first[1]


@torch.inference_mode()
def test_encodings_are_made_once_and_charged_once_a_run() -> None:
    one, kept = reader(), Encodings(2**30)
    made: list[str] = []

    def image(key: str):
        return lambda: made.append(key) or IMAGES[KEYS.index(key)]

    first, before = kept.get(one, {"a": image("a")})
    assert (before, made) == (0, ["a"])
    again, spared = kept.get(one, {"a": image("a")})
    assert again["a"] is first["a"]
    assert (spared, made) == (0, ["a"])
    kept.begin()
    _, spared = kept.get(one, {"a": image("a"), "b": image("b")})
    assert made == ["a", "b"]
    assert spared > 0
    assert kept.get(one, {"a": image("a")})[1] == 0


@torch.inference_mode()
def test_encodings_beyond_the_limit_are_forgotten() -> None:
    one = reader()
    size = one.encode(IMAGES[:1])[0].tokens.nbytes
    kept = Encodings(size)
    first, _ = kept.get(one, {"a": lambda: IMAGES[0]})
    kept.get(one, {"b": lambda: IMAGES[1]})
    assert kept.get(one, {"a": lambda: IMAGES[0]})[0]["a"] is not first["a"]


def test_models_that_share_a_tower_answer_as_alone() -> None:
    keep = TokenSelection(rule="uniform", tokens=5)
    asks = [
        Ask(question="What?", max_tokens=2, keep=keep),
        Ask(question="What?", max_tokens=2, sights=(ImageRegion(tokens=6),)),
    ]
    jobs = [Job("a", IMAGES[0], ask) for ask in asks]
    names = ("llava", "merge-16")
    alone = [ComposedBackend(name, reader(name)) for name in names]
    together: list[Backend] = [ComposedBackend(name, reader(name)) for name in names]
    share_towers(together)
    for one, other in zip(alone, together, strict=True):
        for job in jobs:
            (mine,), (theirs,) = one.run([job]), other.run([job])
            assert mine.observation.tokens == theirs.observation.tokens  # pyright: ignore[reportAttributeAccessIssue]
            assert (mine.visual_tokens, mine.views) == (theirs.visual_tokens, theirs.views)


def test_a_run_is_charged_for_what_another_model_saw() -> None:
    first, second = ComposedBackend("one", reader()), ComposedBackend("two", reader())
    share_towers([first, second])
    job = Job("a", picture(300, 200), Ask(question="What?", max_tokens=1))
    first.run([job])
    memo = first._encodings.vision
    assert memo is not None
    (tower,) = memo._known.values()
    memo._known = type(memo._known)({key: replace(seen, seconds=100.0) for key, seen in memo._known.items()})
    assert tower.seconds < 100
    (seen,), (again,) = second.run([job]), second.run([job])
    assert seen.seconds is not None
    assert again.seconds is not None
    assert seen.seconds > 100 > again.seconds
    second.begin()
    (anew,) = second.run([job])
    assert anew.seconds is not None
    assert anew.seconds > 100
