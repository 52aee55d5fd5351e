"""Token selection: as many as said, each once, in order, and never padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.errors import SaccadeError
from saccade.core.selection import TokenSelection, with_area

RULES = ("random", "uniform")


def grid(rows: int, cols: int) -> np.ndarray:
    down, across = np.divmod(np.arange(rows * cols), cols)
    return np.stack([across, down, across + 1, down + 1], axis=-1).astype(float)


def of(rule, share, seed=0):
    return TokenSelection(rule=rule, share=share, seed=seed)


@given(
    rule=st.sampled_from(RULES),
    tokens=st.integers(1, 200),
    share=st.none() | st.floats(0.01, 1.0),
    rows=st.integers(1, 12),
    cols=st.integers(1, 12),
    padding=st.integers(0, 9),
)
def test_as_many_as_said_each_once_and_never_padding(rule, tokens, share, rows, cols, padding):
    cells = np.concatenate([np.zeros((padding, 4)), grid(rows, cols)])
    selection = TokenSelection(rule=rule, tokens=None if share else tokens, share=share)
    found = selection.choose(cells, "a").tolist()
    wanted = max(1, round(share * len(cells))) if share else tokens
    assert len(found) == selection.count(len(cells), with_area(cells)) == min(wanted, rows * cols)
    assert found == sorted(set(found))
    assert padding <= found[0] <= found[-1] < len(cells)


def test_padding_is_not_even_kept_where_it_stands_best():
    cells = grid(2, 2)
    centers = np.concatenate([(cells[:, :2] + cells[:, 2:]) / 2] * 2, axis=1)
    for rule in RULES:
        assert of(rule, 0.5).choose(np.concatenate([centers, cells]), "a").tolist() == [4, 5, 6, 7]
        assert min(of(rule, 0.25).choose(np.concatenate([centers, cells]), "a").tolist()) >= 4


def test_all_of_them_is_all_of_them():
    for rule in RULES:
        assert of(rule, 1.0).choose(grid(3, 5), "a").tolist() == list(range(15))
        assert of(rule, 0.5).choose(np.zeros((0, 4)), "a").tolist() == []
        assert TokenSelection(rule=rule, tokens=3).choose(np.zeros((4, 4)), "a").tolist() == []


def test_random_depends_on_the_seed_and_the_picture_and_on_nothing_else():
    cells, selection = grid(8, 8), of("random", 0.25)
    one = selection.choose(cells, "a")
    assert one.tolist() == selection.choose(cells, "a").tolist()
    assert one.tolist() != selection.choose(cells, "b").tolist()
    assert one.tolist() != of("random", 0.25, seed=1).choose(cells, "a").tolist()
    often = np.bincount(np.concatenate([selection.choose(cells, key) for key in range(400)]), minlength=64)
    assert often.min() > 60  # 100 each, were they all equally likely; 3.3 standard deviations are 71
    assert often.max() < 140


@pytest.mark.parametrize(("rows", "cols", "tokens"), [(16, 16, 64), (16, 16, 16), (12, 20, 60), (12, 16, 12)])
def test_uniform_takes_one_in_every_block(rows, cols, tokens):
    found = np.zeros(rows * cols, dtype=int)
    found[TokenSelection(rule="uniform", tokens=tokens).choose(grid(rows, cols), "a")] = 1
    side = round((rows * cols / tokens) ** 0.5)
    blocks = found.reshape(rows // side, side, cols // side, side).sum(axis=(1, 3))
    assert (blocks == 1).all()


def test_uniform_takes_rows_and_columns_by_the_shape_of_the_content():
    wide = np.stack(np.divmod(TokenSelection(rule="uniform", tokens=12).choose(grid(12, 16), "a"), 16), axis=-1)
    assert len(set(wide[:, 0].tolist())) == 3
    assert len(set(wide[:, 1].tolist())) == 4


def test_uniform_spreads_over_both_directions_where_rows_do_not_come_out_even():
    places = np.stack(np.divmod(of("uniform", 0.1).choose(grid(16, 16), "a"), 16), axis=-1)
    apart = np.abs(places[:, None] - places[None]).max(axis=-1) + 99 * np.eye(len(places))
    assert apart.min() >= 2
    assert apart.min(axis=1).max() <= 4


@given(rule=st.sampled_from(RULES), tokens=st.integers(1, 60), noise=st.integers(0, 2**31))
def test_equal_layouts_choose_alike_however_their_cells_were_computed(rule, tokens, noise):
    """Two implementations of one layout differ in the last bits of a cell."""
    cells = grid(7, 9) * (640 / 9)
    shaken = cells * (1 + 1e-13 * np.random.default_rng(noise).standard_normal(cells.shape))
    selection = TokenSelection(rule=rule, tokens=tokens)
    assert selection.choose(cells, "a").tolist() == selection.choose(shaken, "a").tolist()


@pytest.mark.parametrize("share", [0.0, -0.5, 1.01])
def test_refuses_shares(share):
    with pytest.raises(SaccadeError, match="above 0 and up to 1"):
        of("random", share)


def test_refuses_no_tokens_and_both_ways_at_once():
    with pytest.raises(SaccadeError, match="at least 1 token, got 0"):
        TokenSelection(rule="uniform", tokens=0)
    for both in ({}, {"tokens": 3, "share": 0.5}):
        with pytest.raises(SaccadeError, match="one of the two"):
            TokenSelection(rule="uniform", **both)
