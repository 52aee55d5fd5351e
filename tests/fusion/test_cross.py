"""Gated cross-attention against the formula written out, position by position and head by head."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from saccade.core.errors import SaccadeError
from saccade.fusion.cross import Cross, GatedCross, VisibleKeys
from saccade.specs.language.cross import CrossSpec
from tests.parts import close, counted, shake

OPEN = CrossSpec(width=12, source=10, depth=4, every=2, offset=1, heads=2, head=4, middle=20)
IDEFICS = CrossSpec(
    width=12, source=10, depth=3, heads=3, head=4, middle=14, act="silu", norm="rms", eps=1e-6, qk_norm=True,
    gates="vector", idle="fed",
)  # fmt: skip
PAPER = replace(OPEN, act="relu2", every=4, offset=0)
SURVEY = replace(OPEN, form="survey")
SPECS = {"open": OPEN, "idefics": IDEFICS, "paper": PAPER, "survey": SURVEY}
COUNTS = [[3, 4], [], [5], [2, 2, 3]]
LENGTH = 9


def norm(module: torch.nn.Module, spec: CrossSpec, x: Tensor) -> Tensor:
    weight = module.weight
    if spec.norm == "rms":
        return x / (x.square().mean() + spec.eps).sqrt() * weight
    return (x - x.mean()) / (x.var(unbiased=False) + spec.eps).sqrt() * weight + module.bias


def slow(block: GatedCross, x: Tensor, seen: Tensor) -> Tensor:
    """One position that sees the tokens ``seen``."""
    spec, read = block.spec, torch.zeros(block.spec.width)
    if len(seen):
        normed, mixed = norm(block.norm, spec, x), []
        keys, values = (seen @ block.to_kv.weight.T).split(spec.inner, dim=-1)
        query = block.to_q.weight @ normed
        for head in range(spec.heads):
            at = slice(head * spec.head, (head + 1) * spec.head)
            q, k = query[at], keys[:, at]
            if spec.qk_norm:
                q = norm(block.norm_q, spec, q)
                k = torch.stack([norm(block.norm_k, spec, one) for one in k])
            mixed.append((k @ q / spec.head**0.5).softmax(0) @ values[:, at])
        read = block.to_out.weight @ torch.cat(mixed)
    if spec.form == "survey":
        return block.scale * x + block.gate_attention.tanh() * read
    x = x + block.gate_attention.tanh() * read
    normed = norm(block.norm_feed, spec, x)
    wide = block.widen.weight @ normed
    act = {"gelu": F.gelu, "silu": F.silu, "relu2": lambda y: F.relu(y) ** 2}[spec.act](wide)
    if spec.act == "silu":
        act = act * (block.side.weight @ normed)
    return x + block.gate_feed.tanh() * (block.narrow.weight @ act)


def pictures() -> list[list[Tensor]]:
    return [[torch.randn(count, 10) for count in row] for row in COUNTS]


def looking() -> Tensor:
    return torch.tensor(
        [
            [-1, -1, 0, 0, 0, 1, 1, 1, 1],
            [-1] * LENGTH,
            [-1, 0, 0, 0, 0, -1, -1, -1, -1],  # after a reset
            [0, 0, 1, 1, 1, 2, 2, 2, 2],
        ]
    )


@pytest.mark.parametrize(("name", "sees"), list(product(SPECS, ("last", "all"))))
@torch.no_grad()
def test_every_position_reads_the_pictures_that_it_looks_at(name, sees):
    spec = replace(SPECS[name], sees=sees)
    cross = Cross(spec)
    shake(cross)
    rows, places, x = pictures(), looking(), torch.randn(4, LENGTH, 12)
    crossing = cross(rows, places)
    made = crossing.before()[spec.places[0]](x)
    for row, place in product(range(4), range(LENGTH)):
        number = int(places[row, place])
        seen = rows[row][: number + 1] if sees == "all" else rows[row][number : number + 1] if number >= 0 else []
        tokens = torch.cat([torch.zeros(0, 10), *seen])
        expected = slow(cross.each[0], x[row, place], tokens)
        if not rows[row] and spec.idle == "passed":
            expected = x[row, place]
        close(made[row, place], expected)


@pytest.mark.parametrize(("name", "sees"), list(product(["open", "idefics"], ("last", "all"))))
@torch.no_grad()
def test_what_follows_looks_on_with_keys_made_once(name, sees):
    """At each row's last picture; the third row's text is past a reset and looks at none."""
    spec = replace(SPECS[name], sees=sees)
    cross = Cross(spec)
    shake(cross)
    rows, x = pictures(), torch.randn(4, 3, 12)
    index = torch.tensor([3, 0, 0, 1])
    after = cross(rows, looking()).after()
    fresh = cross(rows, looking()[:, -1:].expand(-1, 3))
    place = spec.places[-1]
    close(after.before()[place](x), fresh.before()[place](x))
    close(after.take(index).before()[place](x[index]), fresh.before()[place](x)[index])
    if sees == "last":
        assert after.owner.shape[1] == 4  # of the longest picture that is looked at; the longest row has 7 keys


@pytest.mark.parametrize("name", ["open", "idefics", "paper"])
@torch.no_grad()
def test_closed_gates_change_nothing(name):
    cross = Cross(SPECS[name])
    for block in cross.each:
        block.gate_attention.zero_()
        block.gate_feed.zero_()
    x = torch.randn(4, LENGTH, 12)
    for run in cross(pictures(), looking()).before().values():
        assert run(x).equal(x)


@torch.no_grad()
def test_the_surveys_gate_scales_what_it_should_leave_alone():
    cross = Cross(SURVEY)
    x = torch.randn(4, LENGTH, 12)
    run = cross(pictures(), looking()).before()[1]
    assert run(x).equal(x)  # α = 1 and a closed gate: its only harmless setting
    cross.each[0].scale.fill_(0.5)
    made = run(x)
    assert made[0].equal(0.5 * x[0])
    assert made[1].equal(x[1])


@torch.no_grad()
def test_no_pictures_at_all():
    places = torch.full((2, 5), -1)
    assert Cross(OPEN)([[], []], places) is None
    fed = Cross(IDEFICS)
    shake(fed)
    x = torch.randn(2, 5, 12)
    found = fed([[], []], places)
    for crossing in (found, found.after()):
        close(crossing.before()[0](x)[1, 2], slow(fed.each[0], x[1, 2], torch.zeros(0, 10)))


@pytest.mark.parametrize(("every", "offset", "depth", "places"), [
    (1, 0, 24, tuple(range(24))), (4, 0, 40, tuple(range(0, 40, 4))), (7, 0, 80, tuple(range(0, 80, 7))),
    (2, 1, 32, tuple(range(1, 32, 2))), (4, 3, 32, tuple(range(3, 32, 4))),
])  # fmt: skip
def test_published_places(every, offset, depth, places):
    """Flamingo 3B, 9B and 80B; OpenFlamingo 3B, 4B and 9B: 24, 10, 12 and 24, 16, 8 blocks."""
    assert replace(OPEN, every=every, offset=offset, depth=depth).places == places


@pytest.mark.parametrize(("spec", "millions"), [
    (replace(OPEN, width=2048, source=1024, heads=8, head=64, middle=8192), 36.7),
    (replace(OPEN, width=2560, source=1024, heads=8, head=64, middle=10_240), 56.1),
    (replace(OPEN, width=4096, source=1024, heads=8, head=64, middle=16_384), 139.5),
    (replace(IDEFICS, width=4096, source=1280, heads=32, head=128, middle=11_008, gates="scalar"), 179.3),
])  # fmt: skip
def test_published_weights(spec, millions):
    assert spec.block.cost(1).params / 1e6 == pytest.approx(millions, abs=0.06)


@pytest.mark.parametrize("name", SPECS)
def test_cost_is_what_torch_counts(name):
    spec = SPECS[name]

    def run(block: GatedCross) -> None:
        keys, values = block.project(torch.empty(1, 7, 10))
        block(torch.empty(1, 5, 12), keys, values, VisibleKeys(None, None, None))

    made = counted(lambda: GatedCross(spec), run)
    layer = spec.block
    planned = layer.attention.project(5, 7) + layer.attention.mix(35) + layer.feed.cost(5)
    assert made.flops == planned.flops
    assert made.params == planned.params + layer.norms


@pytest.mark.parametrize(("change", "match"), [
    ({"every": 0}, "take every >= 1"),
    ({"every": 2, "offset": 2}, "an offset from 0 to every - 1"),
    ({"every": 9, "offset": 8}, "a language model of 4 layers has no layer 8"),
])  # fmt: skip
def test_refusals(change, match):
    with pytest.raises(SaccadeError, match=match):
        replace(OPEN, **change)
