"""Cells around fixations: counts worked out beforehand, tiling, a literal splitting, refusals."""

import math

import numpy as np
import pytest

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.specs.layouts.cells import (
    BudgetRule,
    Cells,
    Fixations,
    PolarRule,
    Rule,
    SquareRule,
    budget_cells,
    centre,
    polar_cells,
    square_cells,
)

SQUARES = [
    (14, 4, (2, 4), (40, 22, 30)),
    (14, 4, (3, 6), (76, 40, 47)),
    (24, 8, (2, 4, 8), (60, 18, 30)),
    (24, 8, (3, 6, 12), (111, 45, 69)),
    (24, 8, (6, 10, 16), (252, 75, 135)),
    (24, 8, (9, 14, 20), (387, 159, 243)),
    (64, 8, (4, 8, 16), (208, 100, 136)),
]
POLARS = [
    (14, (2.5, 1.35, 16), (87, 39, 56)),
    (24, (2.5, 1.35, 16), (119, 49, 74)),
    (64, (4.0, 1.3, 24), (269, 98, 158)),
]
"""Sides of the map, the rule, tokens at the centre, in a corner and in the middle of the lower edge."""
RULES: list[tuple[Rule, Grid]] = [
    (SquareRule(radii=(2, 4), root=4), Grid(14, 14)),
    (SquareRule(radii=(1, 2, 5), root=8), Grid(9, 13)),
    (SquareRule(radii=(), root=1), Grid(3, 2)),
    (BudgetRule(tokens=30), Grid(8, 12)),
    (BudgetRule(tokens=23, root=8), Grid(16, 8)),
    (BudgetRule(tokens=64), Grid(16, 16)),
    (PolarRule(radius=2.5, growth=1.35, wedges=16), Grid(14, 9)),
    (PolarRule(radius=0.5, growth=2, wedges=1), Grid(5, 6)),
]


def places(side: int) -> list[Fixations]:
    grid = Grid(side, side)
    return [(centre(grid),), (0,), ((side - 1) * side + side // 2,)]


def patches(cells: Cells) -> list[list[int]]:
    return [group.tolist() for group in cells.groups]


@pytest.mark.parametrize(("side", "root", "radii", "counts"), SQUARES)
def test_square_counts(side, root, radii, counts):
    grid = Grid(side, side)
    assert tuple(len(square_cells(grid, at, radii, root)) for at in places(side)) == counts


@pytest.mark.parametrize(("side", "rule", "counts"), POLARS)
def test_polar_counts(side, rule, counts):
    grid = Grid(side, side)
    assert tuple(len(polar_cells(grid, at, *rule)) for at in places(side)) == counts


@pytest.mark.parametrize(("rule", "grid"), RULES, ids=str)
def test_cells_tile_the_map_at_every_fixation(rule, grid):
    for fixation in range(grid.tokens):
        cells = rule.cells(grid, (fixation,))
        assert sorted(patch for group in patches(cells) for patch in group) == list(range(grid.tokens))
        firsts = [group[0] for group in patches(cells)]
        assert firsts == sorted(firsts)
        assert cells.sizes.tolist() == [len(group) for group in cells.groups]
        assert cells.sizes[cells.owner[fixation]] == 1
        assert len(cells) == len(cells.sizes)


@pytest.mark.parametrize(("rule", "grid"), [one for one in RULES if isinstance(one[0], SquareRule)], ids=str)
def test_squares_are_cut_as_told(rule, grid):
    for fixations in [(fixation,) for fixation in range(grid.tokens)] + [(0, grid.tokens - 1), (grid.tokens // 3, 2)]:
        assert patches(rule.cells(grid, fixations)) == cut(grid, fixations, rule.radii, rule.root)


def cut(grid: Grid, fixations: Fixations, radii: tuple[int, ...], root: int) -> list[list[int]]:
    """Square by square, from the largest."""
    todo = [(row, col, root) for row in range(0, grid.rows, root) for col in range(0, grid.cols, root)]
    whole = []
    while todo:
        row, col, side = todo.pop()
        members = square(grid, row, col, side)
        if members and side > 1 and gap(grid, members, fixations) < radii[int(math.log2(side // 2))]:
            half = side // 2
            todo += [(row + down, col + right, half) for down in (0, half) for right in (0, half)]
        elif members:
            whole.append(members)
    return sorted(whole)


def square(grid: Grid, row: int, col: int, side: int) -> list[int]:
    return [
        down * grid.cols + right
        for down in range(row, min(row + side, grid.rows))
        for right in range(col, min(col + side, grid.cols))
    ]


def gap(grid: Grid, members: list[int], fixations: Fixations) -> int:
    """The nearest of the square's patches to the nearest fixation."""
    return min(
        max(abs(one // grid.cols - at // grid.cols), abs(one % grid.cols - at % grid.cols))
        for one in members
        for at in fixations
    )


@pytest.mark.parametrize(("rule", "grid"), [one for one in RULES if isinstance(one[0], BudgetRule)], ids=str)
def test_a_budget_cuts_the_nearest_for_its_size(rule, grid):
    for fixations in [(0,), (grid.tokens // 2,), (grid.tokens - 1,), (3, grid.tokens - 5), (7, 8, 9)]:
        assert patches(rule.cells(grid, fixations)) == greedy(grid, fixations, rule.tokens, rule.root)


def greedy(grid: Grid, fixations: Fixations, tokens: int, root: int) -> list[list[int]]:
    """One cut after the other."""
    whole = [(row, col, root) for row in range(0, grid.rows, root) for col in range(0, grid.cols, root)]
    while len(whole) < tokens:
        row, col, side = min(
            (one for one in whole if one[2] > 1),
            key=lambda one: (gap(grid, square(grid, *one), fixations) / one[2], one[0] * grid.cols + one[1]),
        )
        whole.remove((row, col, side))
        half = side // 2
        whole += [(row + down, col + right, half) for down in (0, half) for right in (0, half)]
    return sorted(square(grid, *one) for one in whole)


def test_a_budget_is_the_same_at_every_fixation():
    grid = Grid(16, 16)
    for tokens in (16, 19, 64, 100, 256):
        found = {len(budget_cells(grid, (fixation,), tokens, 4)) for fixation in range(grid.tokens)}
        assert found == {tokens}


@pytest.mark.parametrize(("rule", "grid"), [one for one in RULES if isinstance(one[0], PolarRule)], ids=str)
def test_a_region_is_one_ring_and_wedge_of_the_nearest_fixation(rule, grid):
    for fixations in [(fixation,) for fixation in range(grid.tokens)] + [(0, grid.tokens - 1)]:
        cells = rule.cells(grid, fixations)
        names = [region(grid, patch, fixations, rule) for patch in range(grid.tokens)]
        apart = [sorted({number for number, name in enumerate(names) if name == one}) for one in set(names)]
        assert patches(cells) == sorted(apart)


def region(grid: Grid, patch: int, fixations: Fixations, rule: PolarRule) -> tuple[int, ...]:
    offsets = [(patch // grid.cols - at // grid.cols, patch % grid.cols - at % grid.cols) for at in fixations]
    nearest = min(range(len(offsets)), key=lambda one: math.hypot(*offsets[one]))
    far = math.hypot(*offsets[nearest])
    if far <= rule.radius:
        return (patch,)
    ring = math.floor(math.log(far / rule.radius) / math.log(rule.growth))
    turn = (math.atan2(*offsets[nearest]) + math.pi) / (2 * math.pi)
    return (nearest, ring, math.floor(turn * rule.wedges) % rule.wedges)


@pytest.mark.parametrize(("rule", "grid"), RULES, ids=str)
def test_order_and_repeats_of_fixations_do_not_matter(rule, grid):
    last = grid.tokens - 1
    one, other = rule.cells(grid, (last, 0, 2)), rule.cells(grid, (0, 2, last, 2))
    np.testing.assert_array_equal(one.owner, other.owner)
    for fixation in (0, 2, last):
        assert one.sizes[one.owner[fixation]] == 1


def test_kept_cells_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        square_cells(Grid(4, 4), (0,), (1,), 2).owner[0] = 3


def test_refusals():
    grid = Grid(16, 16)
    with pytest.raises(
        SaccadeError, match="16 cells of 4, each cut adds 3, up to 256: 65 cannot be had; take 64 or 67"
    ):
        budget_cells(grid, (0,), 65, 4)
    with pytest.raises(SaccadeError, match="256: 15 cannot be had; take 16"):
        budget_cells(grid, (0,), 15, 4)
    with pytest.raises(SaccadeError, match="256: 257 cannot be had; take 256"):
        budget_cells(grid, (0,), 257, 4)
    with pytest.raises(SaccadeError, match="cells of 4 do not tile 14×14; take a root of 2, or square cells"):
        BudgetRule(tokens=40).cells(Grid(14, 14), (0,))
    for root in (0, 3):
        with pytest.raises(SaccadeError, match=f"a power of two, got {root}; take 4"):
            BudgetRule(tokens=40, root=root)
    with pytest.raises(SaccadeError, match=r"from side 8 to 1 need 3 radii, .* got \[2, 4\]; take a root of 4"):
        SquareRule(radii=(2, 4), root=8)
    for rule in ((0.0, 1.35, 16), (2.5, 1.0, 16), (2.5, 1.35, 0)):
        with pytest.raises(SaccadeError, match="a radius above 0, a growth above 1 and 1 wedge or more, got"):
            polar_cells(grid, (0,), *rule)
    with pytest.raises(SaccadeError, match="patches 0 to 255 to fixate, got 256"):
        square_cells(grid, (3, 256), (2, 4), 4)
    with pytest.raises(SaccadeError, match="patches 0 to 255 to fixate, got -1"):
        square_cells(grid, (-1, 3), (2, 4), 4)
    with pytest.raises(SaccadeError, match="need a fixation; the middle of a 16×16 map is patch 136"):
        square_cells(grid, (), (2, 4), 4)
