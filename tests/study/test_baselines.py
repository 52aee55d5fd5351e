"""Baselines: the tokens that are kept, and the smaller picture."""

import numpy as np
import pytest
from PIL import Image

from saccade.core.errors import SaccadeError
from saccade.models import build
from saccade.study.baselines import keep_random, keep_uniform, smaller

PICTURE = Image.new("RGB", (60, 40), (200, 30, 30))


def test_random_keeps_as_many_as_allowed_in_order() -> None:
    (picture,) = build("llava").encode([PICTURE])
    rng = np.random.default_rng(0)
    (kept,) = keep_random([picture], 3, rng)
    assert len(set(kept.tolist())) == 3
    assert kept.tolist() == sorted(kept.tolist())
    (other,) = keep_random([picture], 3, rng)
    assert kept.tolist() != other.tolist()
    (everything,) = keep_random([picture], 10_000, rng)
    assert everything.tolist() == list(range(len(picture.tokens)))


@pytest.mark.parametrize("budget", [1, 2, 3, 4])
def test_uniform_is_even(budget: int) -> None:
    (picture,) = build("llava").encode([PICTURE])
    (kept,) = keep_uniform([picture], budget)
    assert len(kept) == budget
    count = len(picture.tokens)
    side = round(count**0.5)
    if budget == 4:
        rows, cols = np.divmod(kept.numpy(), side)
        assert len(set(rows)) == len(set(cols)) == 2
        assert rows[0] + rows[-1] in (side - 1, side)
    else:
        assert np.ptp(np.diff([-1, *kept.tolist(), count])) <= count // budget


def test_smaller_sees_a_picture_of_as_many_patches_with_the_same_weights() -> None:
    reader = build("llava")
    little = smaller(reader, 4)
    (picture,) = little.encode([PICTURE])
    assert len(picture.tokens) == 4
    assert little.tower is reader.tower
    assert reader.spec.views != little.spec.views


def test_refusals() -> None:
    with pytest.raises(SaccadeError, match="5 tokens is no square number; take 4"):
        smaller(build("llava"), 5)
    with pytest.raises(SaccadeError, match="one frame"):
        smaller(build("llava-uhd"), 4)
