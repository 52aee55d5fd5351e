"""What latents cost and hold: published sizes, families' specs, refusals."""

from dataclasses import replace

import pytest

from saccade.architectures import COMPOSITIONS
from saccade.architectures.catalogue import system
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.records.recipe import from_dict, to_dict
from saccade.core.size import Size
from saccade.specs.connectors.latents import LatentsSpec
from saccade.specs.laws.layer import softmax_bytes
from saccade.specs.laws.path import Connector
from saccade.specs.reader import PARTS

OPEN = LatentsSpec(width_in=1024, width_out=1024, middle=4096)
FIRST = LatentsSpec(width_in=1280, width_out=1280, heads=16, head=96, middle=5120, act="relu", extra=1)
SECOND = LatentsSpec(
    width_in=4096, width_out=4096, depth=3, heads=16, head=96, kv_heads=4, middle=16_384, act="silu", gated=True,
    norm="rms", eps=1e-6,
)  # fmt: skip
SMALL = {"width_in": 8, "width_out": 8, "heads": 2, "head": 4, "middle": 16}


@pytest.mark.parametrize(("spec", "millions"), [(OPEN, 63.0), (FIRST, 126.0), (SECOND, 651.5)])
def test_published_numbers_of_weights(spec: LatentsSpec, millions: float):
    assert spec.cost(Grid(1, 1)).params / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(
    ("spec", "grid", "gigaflops"), [(OPEN, (16, 16), 11.5), (OPEN, (24, 24), 15.8), (FIRST, (16, 16), 29.0)]
)
def test_published_costs(spec: LatentsSpec, grid: tuple[int, int], gigaflops: float):
    assert spec.cost(Grid(*grid)).flops / 1e9 == pytest.approx(gigaflops, abs=0.05)


def test_the_formula_of_the_cost():
    """L · [lin(R, d, i) + 2 lin(V + R, d, i) + 4 R (V + R) i + lin(R, i, d) + 2 lin(R, d, 4d)]."""
    rows, patches, d, i = 64, 257, 1280, 1536
    keys = patches + rows
    layer = 2 * rows * d * i + 2 * 2 * keys * d * i + 4 * rows * keys * i + 2 * rows * i * d + 2 * 2 * rows * d * 4 * d
    assert FIRST.cost(Grid(16, 16)).flops == 6 * layer


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openflamingo-9b", {"act": "gelu", "extra": 0, "norm": "layer", "qk_norm": False, "front": 0}),
        ("idefics-9b", {"act": "relu", "extra": 1, "norm": "layer", "qk_norm": True, "front": 0}),
        ("idefics2-8b", {"act": "silu", "gated": True, "norm": "rms", "eps": 1e-6, "kv_heads": 4, "front": 14_336}),
    ],
)
def test_the_published_models_name_a_module_that_runs(name: str, expected: dict[str, object]):
    made = system(name).path().connector
    assert isinstance(made, LatentsSpec)
    assert {key: getattr(made, key) for key in expected} == expected
    assert from_dict(to_dict(made, PARTS), PARTS) == made


def test_tokens_are_latents_whatever_the_view_and_known_by_attention():
    assert isinstance(OPEN, Connector)
    assert {OPEN.tokens(grid) for grid in (Grid(1, 1), Grid(3, 5))} == {64}
    assert OPEN.grid_out(Grid(2, 2)) is None
    assert not OPEN.exact
    assert [group.tolist() for group in OPEN.groups(Grid(1, 3))] == [[0, 1, 2]] * 64


def test_tables_and_norms_of_heads_are_weights():
    plain = LatentsSpec(**SMALL).cost(Grid(2, 2))
    more = LatentsSpec(**SMALL, frames=3, pictures=5, qk_norm=True).cost(Grid(2, 2))
    assert more.flops == plain.flops
    assert more.params == plain.params + (3 + 5) * 8 + 6 * 2 * 2 * 4


def test_written_out_scores_are_held_over_latents_too():
    grid = Grid(4, 5)
    more = OPEN.peak([grid], 4, eager=True) - OPEN.peak([grid], 4, eager=False)
    wide = LatentsSpec(width_in=8, width_out=8, heads=2, head=4, middle=1)
    assert wide.peak([grid], 4, eager=True) - wide.peak([grid], 4, eager=False) == softmax_bytes(2 * 64 * 84, 4)
    assert more <= softmax_bytes(8 * 64 * 84, 4)  # the feed-forward may be what decides


@pytest.mark.parametrize("name", ["width_in", "width_out", "latents", "depth", "heads", "head", "middle"])
def test_refuses_nothing_where_something_is_needed(name: str):
    with pytest.raises(SaccadeError, match=f"{name} is 1 or more, got 0"):
        LatentsSpec(**{**SMALL, name: 0})


@pytest.mark.parametrize("name", ["extra", "front", "frames", "pictures"])
def test_refuses_less_than_nothing(name: str):
    with pytest.raises(SaccadeError, match=rf"{name} is 0 \(none\) or more, got -1"):
        LatentsSpec(**{**SMALL, name: -1})


def test_refuses_what_does_not_fit():
    with pytest.raises(SaccadeError, match="got width_in 8 and width_out 6; make them equal, or set front"):
        LatentsSpec(**{**SMALL, "width_out": 6})
    assert LatentsSpec(**{**SMALL, "width_out": 6}, front=4).width_out == 6
    for shared in (3, 0):
        with pytest.raises(SaccadeError, match=f"4 heads cannot share {shared} of keys and values evenly"):
            LatentsSpec(**{**SMALL, "heads": 4}, kv_heads=shared)


def test_a_reader_may_keep_the_class_token_for_them():
    made = COMPOSITIONS["flamingo"].presets["tiny"]()
    kept = replace(made.tower, keep_class=True)
    with pytest.raises(SaccadeError, match="1 tokens beside its patches, the connector takes 0"):
        replace(made, tower=kept)
    whole = replace(made, tower=kept, connector=replace(made.connector, extra=1))
    layout = whole.views.layout(Size(28, 28))
    ledger = whole.ledger(layout, [whole.connector.groups(grid) for grid in whole.grids(layout)])
    assert ledger.exact == (False,) * 4
    assert [ledger.area(token) for token in range(4)] == pytest.approx([28 * 28] * 4)
