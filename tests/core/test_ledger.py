import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.core.box import Box
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid, Groups
from saccade.core.ledger import Ledger
from saccade.core.size import Size
from saccade.core.view import View
from tests.core.strategies import boxes_in, grids, ledgers, sizes, views

PICTURE = Size(200, 100)
SQUARE = View(Box.of(PICTURE), Size(64, 64))
LETTERBOX = View(Box.of(PICTURE), Size(64, 64), content=Box(0, 16, 64, 48))


def blocks(rows: int, cols: int, side: int) -> Groups:
    """Tokens of a ``rows`` × ``cols`` grid that ``side`` × ``side`` blocks fold together."""
    index = np.arange(rows * cols).reshape(rows // side, side, cols // side, side)
    return list(index.transpose(0, 2, 1, 3).reshape(-1, side * side))


def same(one: Ledger, two: Ledger) -> bool:
    return len(one) == len(two) and all(one.boxes(token) == two.boxes(token) for token in range(len(one)))


@given(views(), grids)
def test_the_cells_of_a_view_tile_its_source(view: View, grid: Grid):
    ledger = Ledger.of(Size(600, 600), [view], [grid])
    assert len(ledger) == grid.tokens
    boxes = [box for token in range(len(ledger)) for box in ledger.boxes(token)]
    assert sum(box.area for box in boxes) == pytest.approx(view.source.area)
    bounds = boxes[0]
    for at, box in enumerate(boxes):
        bounds = bounds.union(box)
        shared = [box.intersect(other) for other in boxes[at + 1 :]]
        assert sum(one.area for one in shared if one) == pytest.approx(0, abs=1e-6)
    assert bounds.sides == pytest.approx(view.source.sides)


@given(views(), grids)
def test_a_cell_is_what_the_view_says_lies_under_its_patch(view: View, grid: Grid):
    ledger = Ledger.of(Size(600, 600), [view], [grid])
    wide, tall = view.size.width / grid.cols, view.size.height / grid.rows
    for token in range(len(ledger)):
        row, col = divmod(token, grid.cols)
        expected = view.to_source(Box(col * wide, row * tall, (col + 1) * wide, (row + 1) * tall))
        found = ledger.bounds(token)
        # A sliver that rounding alone made counts as padding.
        if expected is None or expected.area < 1e-6:
            assert found is None or found.area < 1e-5
        else:
            assert found is not None
            assert found.sides == pytest.approx(expected.sides, abs=1e-6)


def test_row_order_by_hand():
    ledger = Ledger.of(PICTURE, [SQUARE], [Grid(2, 2)])
    assert [ledger.bounds(token) for token in range(4)] == [
        Box(0, 0, 100, 50),
        Box(100, 0, 200, 50),
        Box(0, 50, 100, 100),
        Box(100, 50, 200, 100),
    ]


def test_padding_carries_no_pixels():
    ledger = Ledger.of(PICTURE, [LETTERBOX], [Grid(4, 2)])
    assert [ledger.area(token) for token in range(8)] == [0, 0, 5000, 5000, 5000, 5000, 0, 0]
    assert ledger.boxes(0) == []
    assert ledger.bounds(7) is None
    assert ledger.bounds(3) == Box(100, 0, 200, 50)


@given(sizes, st.integers(1, 3), st.integers(1, 3), grids)
def test_slices_tile_the_picture(picture: Size, rows: int, cols: int, grid: Grid):
    across, down = picture.width / cols, picture.height / rows
    slices = [
        View(Box(col * across, row * down, (col + 1) * across, (row + 1) * down), Size(32, 32), "slice", row, col)
        for row in range(rows)
        for col in range(cols)
    ]
    ledger = Ledger.of(picture, slices, [grid] * len(slices))
    assert len(ledger) == rows * cols * grid.tokens
    assert ledger.view.tolist() == [view for view in range(rows * cols) for _ in range(grid.tokens)]
    assert sum(ledger.area(token) for token in range(len(ledger))) == pytest.approx(picture.area)


def test_pool_after_shuffle_is_one_merge():
    patches = Ledger.of(PICTURE, [SQUARE], [Grid(8, 8)])
    twice = patches.merge(blocks(8, 8, 2)).merge(blocks(4, 4, 2))
    assert same(twice, patches.merge([np.sort(group) for group in blocks(8, 8, 4)]))
    assert twice.bounds(1) == Box(100, 0, 200, 50)


@given(st.data(), ledgers())
def test_merges_compose(data: st.DataObject, ledger: Ledger):
    def groups(tokens: int) -> Groups:
        group = st.lists(st.integers(0, tokens - 1), min_size=1, max_size=5).map(np.array)
        return data.draw(st.lists(group, min_size=1, max_size=5))

    first = groups(len(ledger))
    second = groups(len(first))
    at_once = [np.concatenate([first[token] for token in group]) for group in second]
    assert same(ledger.merge(first).merge(second), ledger.merge(at_once))


@given(ledgers())
def test_a_merge_into_one_token_keeps_every_pixel(ledger: Ledger):
    whole = ledger.merge([np.arange(len(ledger))])
    assert whole.area(0) == pytest.approx(sum(ledger.area(token) for token in range(len(ledger))))


def test_a_patch_named_twice_counts_once():
    ledger = Ledger.of(PICTURE, [SQUARE], [Grid(2, 2)])
    shared = ledger.merge([np.array([0, 1]), np.array([1, 3])])
    assert shared.merge([np.array([0, 1, 1])]).area(0) == 15_000


@given(st.data(), ledgers())
def test_keep_drops_the_rest_and_follows_the_order(data: st.DataObject, ledger: Ledger):
    tokens = data.draw(st.permutations(range(len(ledger))))[: data.draw(st.integers(1, len(ledger)))]
    kept = ledger.keep(tokens)
    assert [kept.boxes(at) for at in range(len(kept))] == [ledger.boxes(token) for token in tokens]
    assert kept.size == ledger.size


def test_keeping_nothing_leaves_nothing():
    assert len(Ledger.of(PICTURE, [SQUARE], [Grid(2, 2)]).keep([])) == 0


@given(st.data(), ledgers())
def test_the_way_back_finds_exactly_the_tokens_that_overlap(data: st.DataObject, ledger: Ledger):
    merged = ledger.merge(np.array_split(np.arange(len(ledger)), data.draw(st.integers(1, len(ledger)))))
    wanted = data.draw(boxes_in(Box.of(ledger.size)))
    for one in (ledger, merged):
        slow = [token for token in range(len(one)) if any(box.intersect(wanted) for box in one.boxes(token))]
        assert one.tokens_at(wanted) == slow


def test_a_point_of_the_picture_is_under_one_token_of_each_view():
    ledger = Ledger.of(PICTURE, [SQUARE, LETTERBOX], [Grid(4, 4), Grid(4, 2)])
    assert ledger.tokens_at(Box(150, 10, 151, 11)) == [3, 16 + 3]
    assert ledger.tokens_at(Box(-20, -20, 0, 0)) == []


def test_doubt_is_inherited():
    patches = Ledger.of(PICTURE, [SQUARE], [Grid(2, 2)])
    assert patches.exact == (True,) * 4
    queries = patches.merge([np.arange(4)] * 3, exact=False)
    assert queries.exact == (False,) * 3
    assert queries.keep([0, 2]).exact == (False, False)
    assert queries.merge([np.array([0, 1])]).exact == (False,)
    mixed = Ledger(PICTURE, patches.cells, patches.view, patches.groups, (True, False, True, True))
    assert mixed.merge([np.array([0, 1]), np.array([2, 3])]).exact == (False, True)


def test_refuses_a_grid_too_few():
    with pytest.raises(SaccadeError, match="2 views but 1 grids"):
        Ledger.of(PICTURE, [SQUARE, LETTERBOX], [Grid(2, 2)])


@pytest.mark.parametrize("group", [[], [4], [0, -1]], ids=str)
def test_refuses_tokens_that_are_not_there(group: list[int]):
    ledger = Ledger.of(PICTURE, [SQUARE], [Grid(2, 2)])
    with pytest.raises(SaccadeError, match=r"names tokens \[.*\] of a ledger of 4"):
        ledger.merge([np.array(group, dtype=int)])
