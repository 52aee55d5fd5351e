"""Which tokens are kept by chance or evenly: as many as said, each once, in order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.errors import SaccadeError
from saccade.core.keep import Keep


def grid(rows: int, cols: int) -> np.ndarray:
    down, across = np.divmod(np.arange(rows * cols), cols)
    return np.stack([across, down, across + 1, down + 1], axis=-1).astype(float)


@given(
    rule=st.sampled_from(["random", "uniform"]),
    share=st.floats(0.01, 1.0),
    rows=st.integers(1, 12),
    cols=st.integers(1, 12),
    padding=st.integers(0, 5),
)
def test_as_many_as_said_each_once_and_padding_last(rule, share, rows, cols, padding):
    cells = np.concatenate([np.zeros((padding, 4)), grid(rows, cols)])
    keep = Keep(rule, share)
    found = keep.chosen(cells, "a").tolist()
    assert len(found) == keep.count(len(cells)) == max(1, round(share * len(cells)))
    assert found == sorted(set(found))
    assert 0 <= found[0] <= found[-1] < len(cells)
    if len(found) <= rows * cols:
        assert found[0] >= padding


def test_padding_is_not_even_kept_where_it_stands_best():
    cells = grid(2, 2)
    centers = np.concatenate([(cells[:, :2] + cells[:, 2:]) / 2] * 2, axis=1)
    for rule in ("random", "uniform"):
        assert Keep(rule, 0.5).chosen(np.concatenate([centers, cells]), "a").tolist() == [4, 5, 6, 7]
        assert min(Keep(rule, 0.25).chosen(np.concatenate([centers, cells]), "a").tolist()) >= 4


def test_all_of_them_is_all_of_them():
    for rule in ("random", "uniform"):
        assert Keep(rule, 1.0).chosen(grid(3, 5), "a").tolist() == list(range(15))
        assert Keep(rule, 0.5).chosen(np.zeros((0, 4)), "a").tolist() == []


def test_chance_hangs_on_the_seed_and_the_picture_and_on_nothing_else():
    cells, keep = grid(8, 8), Keep("random", 0.25)
    one = keep.chosen(cells, "a")
    assert one.tolist() == keep.chosen(cells, "a").tolist()
    assert one.tolist() != keep.chosen(cells, "b").tolist()
    assert one.tolist() != Keep("random", 0.25, seed=1).chosen(cells, "a").tolist()
    often = np.bincount(np.concatenate([keep.chosen(cells, key) for key in range(400)]), minlength=64)
    assert often.min() > 60  # 100 each, were they all equally likely; 3.3 standard deviations are 71
    assert often.max() < 140


@pytest.mark.parametrize(("rows", "cols", "share"), [(16, 16, 1 / 4), (16, 16, 1 / 16), (12, 20, 1 / 4)])
def test_even_is_one_in_every_block(rows, cols, share):
    found = np.zeros(rows * cols, dtype=int)
    found[Keep("uniform", share).chosen(grid(rows, cols), "a")] = 1
    side = round(share**-0.5)
    blocks = found.reshape(rows // side, side, cols // side, side).sum(axis=(1, 3))
    assert (blocks == 1).all()


def test_even_spreads_over_both_directions_where_it_does_not_come_out():
    places = np.stack(np.divmod(Keep("uniform", 0.1).chosen(grid(16, 16), "a"), 16), axis=-1)
    apart = np.abs(places[:, None] - places[None]).max(axis=-1) + 99 * np.eye(len(places))
    assert apart.min() >= 2
    assert apart.min(axis=1).max() <= 4


@pytest.mark.parametrize("share", [0.0, -0.5, 1.01])
def test_refuses(share):
    with pytest.raises(SaccadeError, match="above 0 and up to 1"):
        Keep("random", share)
