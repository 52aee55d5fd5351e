"""The layout node by node, and what its figures promise."""

import math

import numpy as np
import pytest

from research.sensors.retina import equivalent, foveal, log_fibonacci, nearest
from saccade.core.errors import SaccadeError

LAYOUTS = [(6, 0.3, None), (49, 0.3, None), (64, 0.5, 0.05), (144, 0.1, None), (400, 0.3, None), (400, 0.3, 0.05)]


def slow(nodes: int, radius: float, share: float | None) -> list[tuple[float, float]]:
    """Node by node, the fovea raised step by step."""
    part = 3 / nodes if share is None else share
    while True:
        inner = int(nodes * part)
        radii = [math.sqrt(k - 0.5) * math.sqrt(inner) for k in range(1, inner + 1)]
        outer, last = nodes - inner, inner // radius
        radii += [inner * (last / inner) ** (k / (outer - 1)) for k in range(outer)]
        if radii[inner - 1] - radii[inner - 2] <= radii[inner + 1] - radii[inner]:
            break
        part += 0.01
    turn = math.pi * (1 + math.sqrt(5))
    longest = max(radii)
    return [(r / longest * math.cos(k * turn), r / longest * math.sin(k * turn)) for k, r in enumerate(radii, start=1)]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_nodes_are_the_formulas(layout: tuple[int, float, float | None]):
    assert log_fibonacci(*layout) == pytest.approx(np.array(slow(*layout)), abs=1e-9)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_the_layout_fills_a_disc_from_the_middle_outwards(layout: tuple[int, float, float | None]):
    made, inner = log_fibonacci(*layout), foveal(*layout)
    away = np.linalg.norm(made, axis=1)
    assert made.shape == (layout[0], 2)
    assert away.max() == pytest.approx(1)
    assert (np.diff(away) > 0).all()
    # The periphery begins about the radius asked for; it ends on a whole number, hence not to the digit.
    assert away[inner] == pytest.approx(layout[1], rel=0.1)
    with pytest.raises(ValueError, match="read-only"):
        made[0] = 0


def test_a_smaller_fovea_is_denser_and_the_published_resolutions_come_out():
    """Samples a side as the released code prints them for a radius of .3."""
    found = [int(equivalent(nodes, 0.3)) for nodes in (64, 100, 196, 256, 400)]
    assert found == [19, 24, 34, 38, 48]
    assert equivalent(400, 0.1) > 2 * equivalent(400, 0.3)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_nearest_is_a_mean_over_the_closest_others(count: int):
    made = log_fibonacci(300, 0.3)
    found = nearest(made, count)
    for node in (0, 1, 77, 299):
        others = sorted(math.dist(made[node], other) for k, other in enumerate(made) if k != node)
        assert found[node] == pytest.approx(sum(others[:count]) / count)
    assert len(found) == 300
    assert found[:20].mean() < 0.35 * found[-20:].mean()


def test_refusals():
    with pytest.raises(SaccadeError, match=r"39 nodes are too few for a fovea of radius 0\.3 .* take 78 nodes or a sm"):
        log_fibonacci(39, 0.3, 0.05)
    with pytest.raises(SaccadeError, match=r"6 nodes are too few for a fovea of radius 0\.9 .*; take 12 nodes"):
        foveal(6, 0.9)
    with pytest.raises(SaccadeError, match=r"-3 nodes are too few .* take 8 nodes"):
        foveal(-3, 0.3)
    with pytest.raises(
        SaccadeError, match=r"100 nodes are too few for a fovea of radius 0\.999 .*; take a smaller rad"
    ):
        foveal(100, 0.999)
    for radius in (0.0, 1.0, -0.3):
        with pytest.raises(SaccadeError, match=f"radius lies between 0 and 1, the whole retina's, got {radius}"):
            equivalent(100, radius)
    for share in (0.0, 1.0):
        with pytest.raises(SaccadeError, match=f"share of the nodes lies between 0 and 1, got {share}"):
            foveal(100, 0.3, share)
    for count in (0, 6):
        with pytest.raises(SaccadeError, match=f"{count} neighbours are asked for, each of 6 nodes has 5"):
            nearest(log_fibonacci(6, 0.3), count)


def test_the_fewest_nodes_for_a_twentieth_are_forty():
    assert foveal(40, 0.3, 0.05) >= 2
