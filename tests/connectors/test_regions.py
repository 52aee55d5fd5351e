"""Tokens from regions against their formulas, region by region; and whole readers that read so."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from saccade.backends.composed.flops import Counter
from saccade.backends.random_init import from_spec
from saccade.backends.store import from_pretrained, save_pretrained
from saccade.connectors import build_connector
from saccade.connectors.regions import Rows
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.runtime.reader import Reader
from saccade.specs.connectors.mlp import MlpSpec
from saccade.specs.connectors.region_tokens import RegionListSpec, RegionQueriesSpec, RegionsSpec
from saccade.specs.parts import ConnectorSpec
from tests.memory import Meter, weights
from tests.parts import close, counted, shake
from tests.regions import CONNECTORS, LIST, QUERIES, RASTER, STEM, shapes, spec

GRID = Grid(6, 1)
QUESTION = "What is it?"
THIRDS = (slice(16), slice(16, 32), slice(32, 48))
"""Rows of the attention's one matrix: for queries, keys and values."""


def made(spec: ConnectorSpec) -> torch.nn.Module:
    part = build_connector(spec)
    shake(part)
    return part


def rows(*present: int, cover: Tensor | None = None) -> Tensor:
    """Views of six rows, of which so many are there, the whole view with them."""
    found = torch.randn(len(present), 6, RASTER.width_in)
    found[..., 16:22] = torch.rand(len(present), 6, 6)
    found[..., 22:38] = torch.rand(len(present), 6, 16) if cover is None else cover
    found[..., -1] = 1
    for view, count in enumerate(present):
        found[view, count:] = 0
    return found


def vectors(part: torch.nn.Module, view: Tensor) -> list[Tensor]:
    """Each region's feature with its place."""
    region = part.region
    return [row[:16] + region.mix(F.gelu(region.widen(row[16:22]))) for row in view if row[-1] == 1]


@pytest.mark.parametrize("scale", [0.2, 1.0])
@torch.no_grad()
def test_a_place_is_the_mean_of_what_covers_it(scale):
    """Where regions leave something uncovered, and where they lie over one another."""
    part, found = made(RASTER), rows(4, 1, 6, cover=scale * torch.rand(3, 6, 16))
    tokens = part(found, GRID)
    for view, token in zip(found, tokens, strict=True):
        whole, *regions = vectors(part, view)
        for place in range(16):
            total, sum_ = 0.0, torch.zeros(16)
            for region, row in zip(regions, view[1:], strict=False):
                total, sum_ = total + float(row[22 + place]), sum_ + row[22 + place] * region
            rest = max(0.0, 1 - total)
            mean = (sum_ + rest * whole) / (total + rest)
            close(token[place], part.project((mean + part.positions[place])[None, None])[0, 0], 1e-4)


@torch.no_grad()
def test_shares_are_one_in_all_and_padding_has_none():
    shares = Rows.of(rows(4, 1, 6), RASTER.row).shares()
    assert shares.shape == (3, 16, 6)
    close(shares.sum(-1), torch.ones(3, 16))
    assert shares.min() >= 0
    assert not shares[0, :, 4:].any()
    close(shares[1, :, 0], torch.ones(16))
    assert shares[2, :, 0].min() == 0  # fully covered


@torch.no_grad()
def test_queries_read_what_is_there():
    part, found = made(QUERIES), rows(4, 1, 6)
    tokens = part(found, GRID)
    for view, token in zip(found, tokens, strict=True):
        keys = part.ln_kv(part.kv_proj(torch.stack(vectors(part, view))))
        query, key, value = (
            given @ part.attn.in_proj_weight[at].T + part.attn.in_proj_bias[at]
            for given, at in zip((part.ln_q(part.query), keys, keys), THIRDS, strict=True)
        )
        read = [
            (query[:, head] @ key[:, head].T / 8**0.5).softmax(-1) @ value[:, head] for head in (slice(8), slice(8, 16))
        ]
        close(token, part.ln_post(part.attn.out_proj(torch.cat(read, dim=-1))) @ part.proj, 1e-4)


@torch.no_grad()
def test_a_list_is_a_token_a_row_and_padding_is_all_alike():
    part, found = made(LIST), rows(4, 1, 6)
    tokens = part(found, GRID)
    for view, token in zip(found, tokens, strict=True):
        there = vectors(part, view)
        close(token[: len(there)], part.project(torch.stack(there)[None])[0])
        for other in token[len(there) :]:
            close(other, part.project(torch.zeros(1, 1, 16))[0, 0])


@pytest.mark.parametrize("name", CONNECTORS)
@torch.no_grad()
def test_one_view_alone_and_in_a_batch(name):
    part, found = made(CONNECTORS[name]), rows(4, 1, 6)
    together = part(found, GRID)
    assert together.shape == (3, CONNECTORS[name].tokens(GRID), 16)
    for view in range(3):
        close(part(found[view : view + 1], GRID)[0], together[view])


@pytest.mark.parametrize("grid", [GRID, Grid(2, 1), Grid(31, 1)], ids=str)
@pytest.mark.parametrize("name", CONNECTORS)
def test_cost_is_what_torch_counts(name, grid):
    part = CONNECTORS[name]
    found = counted(
        lambda: build_connector(part), lambda module: module(torch.empty(1, grid.tokens, part.width_in), grid)
    )
    assert found == part.cost(grid)


WIDE = {
    "raster": RegionsSpec(features=64, width_out=96),
    "queries": RegionQueriesSpec(features=64, width_out=96, queries=36),
    "many": RegionQueriesSpec(features=64, width_out=96, queries=300),
    "list": RegionListSpec(features=64, width_out=96),
}


@pytest.mark.parametrize("number", [1, 8])
@pytest.mark.parametrize("name", WIDE)
@torch.inference_mode()
def test_the_peak_is_what_is_alive(name, number):
    part = build_connector(WIDE[name]).eval()
    found = torch.rand(number, 31, WIDE[name].width_in)
    with Meter(weights(part)) as meter:
        part(found, Grid(31, 1))
    predicted = WIDE[name].peak([Grid(31, 1)] * number, 4, eager=False)
    assert predicted == pytest.approx(meter.peak - meter.held, rel=0.25), meter.worst[:12]


@pytest.mark.parametrize("name", CONNECTORS)
def test_tokens_have_looked_at_everything(name):
    part = CONNECTORS[name]
    assert not part.exact
    assert part.grid_out(GRID) is None
    groups = part.groups(GRID)
    assert len(groups) == part.tokens(GRID)
    assert all(group.tolist() == list(range(6)) for group in groups)


def reader(name: str, **changes: object) -> Reader:
    whole = from_spec(spec(CONNECTORS[name], **changes))
    shake(whole)
    return whole


@pytest.mark.parametrize("name", CONNECTORS)
@torch.no_grad()
def test_a_reader_runs_as_it_is_planned(name):
    whole = reader(name)
    pictures = [shapes(4), shapes(0), shapes(9, side=90)]
    encoded = whole.encode(pictures)
    for picture, one in zip(pictures, encoded, strict=True):
        plan = whole.plan(Size(*picture.size), QUESTION)
        assert plan.visual_tokens == plan.slots == one.count == len(one.ledger) == CONNECTORS[name].tokens(GRID)
        assert Counter(whole).look([plan.layout], [plan.length - plan.slots]) == plan.flops
        assert plan.params == sum(weight.numel() for weight in whole.parameters())
    together = whole.ask(encoded, [[QUESTION]] * 3, max_tokens=3)
    for picture, answers in zip(pictures, together, strict=True):
        (alone,) = whole.ask(whole.encode([picture]), [[QUESTION]], max_tokens=3)
        assert answers[0].tokens == alone[0].tokens
    assert whole.watched(pictures[0]) is None


@torch.no_grad()
def test_the_ledger_says_no_more_than_is_known():
    """Each token comes from somewhere in the picture, padding apart, and no stripe of it."""
    (one,) = reader("raster").encode([shapes(4).crop((0, 0, 64, 32))])
    assert one.ledger.exact == (False,) * 16
    assert one.ledger.cells.tolist() == [[0, 0, 64, 32]]
    for token in range(16):
        (box,) = one.ledger.boxes(token)
        assert box.sides == (0, 0, 64, 32)


def test_what_is_saved_is_what_is_loaded(tmp_path):
    whole = reader("queries")
    save_pretrained(whole, tmp_path / "reader")
    again = from_pretrained(tmp_path / "reader")
    assert again.spec == whole.spec
    prompt = whole.spec.template.replace("{question}", QUESTION)
    assert again.logits([shapes(4)], prompt).equal(whole.logits([shapes(4)], prompt))


def test_refuses_what_does_not_fit():
    for part in (RASTER, LIST):
        with pytest.raises(SaccadeError, match="a raster has at least 1 × 1 places, got 0 × 0"):
            replace(part, raster=0)
    with pytest.raises(SaccadeError, match="at least 1 query and a raster of 1 × 1 are needed, got 0 and 4 × 4"):
        replace(QUERIES, queries=0)
    with pytest.raises(SaccadeError, match="are needed, got 10 and 0 × 0"):
        replace(QUERIES, raster=0)
    with pytest.raises(SaccadeError, match="width 16 must be a multiple of the 3 heads"):
        replace(QUERIES, heads=3)
    with pytest.raises(SaccadeError, match="width 16 must be a multiple of the 0 heads"):
        replace(QUERIES, heads=0)


def test_refuses_maps_for_lists_and_lists_for_maps():
    with pytest.raises(
        SaccadeError, match=r"a region tower puts out a list, other towers a map.* got RegionTowerSpec and MlpSpec"
    ):
        spec(MlpSpec(width_in=RASTER.width_in, width_out=16))
    with pytest.raises(SaccadeError, match="got StemTowerSpec and RegionsSpec"):
        spec(tower=replace(STEM, width=40), connector=replace(RASTER, features=17))
    with pytest.raises(
        SaccadeError, match=r"the tower's rows are RowSpec\(features=16, raster=4\), the connector's RowSpec"
    ):
        spec(replace(RASTER, features=16 + 7, raster=3))
    with pytest.raises(SaccadeError, match=r"normalised by \(0\.4, 0\.5, 0\.5\) .* the region tower undoes \(0\.5"):
        spec(mean=(0.4, 0.5, 0.5))
    with pytest.raises(SaccadeError, match="the region tower undoes"):
        spec(std=(0.4, 0.5, 0.5))
