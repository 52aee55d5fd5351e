"""Perceiver's blocks against literal formulas, transformers' own, and each other."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from transformers import PerceiverConfig
from transformers.models.perceiver.modeling_perceiver import PerceiverLayer

from saccade.architectures.perceiver.weights import block_names
from saccade.core.errors import SaccadeError
from saccade.nn.perceiver import Attend, Perceiver, PerceiverDecoder
from saccade.specs.laws.perceiver import AttendSpec, DecodeSpec, PerceiverSpec
from tests.parts import close, counted, shake

FEW = AttendSpec(width=8, source=6, heads=1)
"""One head, so that a few queries fold."""
MANY = AttendSpec(width=8, source=6, heads=2, qk=2, v=4, widen=3)
ALONE = AttendSpec(width=8, heads=2)
KINDS = {"folded": FEW, "two widths": MANY, "two heads, folded": replace(FEW, heads=2, qk=40, v=40)}
INPUTS = 50
CORE = PerceiverSpec(latents=3, read=FEW, layer=ALONE, blocks=3, layers=2)
HEAD = DecodeSpec(latents=3, block=AttendSpec(width=5, source=8, residual=False), queries=4, out=7)


def made(spec: AttendSpec) -> Attend:
    part = Attend(spec).eval()
    shake(part)
    return part


def some(views: int = 3) -> torch.Tensor:
    """What may be read: in the last view nothing, in the second to last one input."""
    allow = torch.rand(views, INPUTS, generator=torch.Generator().manual_seed(2)) < 0.6
    allow[-2], allow[-1] = torch.arange(INPUTS) == 7, False
    return allow


def slow(part: Attend, x: torch.Tensor, source: torch.Tensor, allow: torch.Tensor | None = None) -> torch.Tensor:
    """One block as the authors write it, a query and a head at a time. ``allow`` is views × queries × keys."""
    spec, found = part.spec, []
    for view in range(len(source)):
        ours = x[0 if len(x) == 1 else view]
        normed = source[view] if part.norm_source is None else part.norm_source(source[view])
        normed = part.norm(source[view]) if part.norm_source is None else normed
        query, (key, value) = part.query(part.norm(ours)), part.pair(normed).split((spec.scored, spec.valued), -1)
        one, other = spec.scored // spec.heads, spec.valued // spec.heads
        rows = []
        for index in range(len(ours)):
            heads = []
            for head in range(spec.heads):
                scores = key[:, head * one : (head + 1) * one] @ query[index, head * one : (head + 1) * one]
                scores = scores / math.sqrt(one)
                if allow is not None:
                    scores = torch.where(allow[view, index], scores, torch.tensor(-1e30))
                heads.append(scores.softmax(0) @ value[:, head * other : (head + 1) * other])
            row = torch.cat(heads)
            rows.append(torch.zeros_like(row) if allow is not None and not bool(allow[view, index].any()) else row)
        looked = part.out(torch.stack(rows))
        looked = ours + looked if spec.residual else looked
        inner = part.widen(part.norm_feed(looked))
        cubed = math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)
        found.append(looked + part.narrow(0.5 * inner * (1 + torch.tanh(cubed))))
    return torch.stack(found)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("spec", KINDS.values(), ids=list(KINDS))
def test_a_block_is_what_the_authors_wrote(spec, residual):
    part = made(replace(spec, residual=residual))
    x, source = torch.randn(1, 3, 8), torch.randn(3, INPUTS, 6)
    assert spec.folds(3, INPUTS) == (spec is not MANY)
    close(part(x, source), slow(part, x, source))
    allow = some()[:, None].expand(-1, 3, -1)
    close(part(x, source, some()[:, None]), slow(part, x, source, allow))
    mixed = allow & (torch.rand(3, 3, INPUTS) < 0.7)
    close(part(x, source, mixed), slow(part, x, source, mixed))


def test_a_block_that_looks_at_itself():
    part, x = made(ALONE), torch.randn(3, 5, 8)
    close(part(x), slow(part, x, x))


@pytest.mark.parametrize("spec", KINDS.values(), ids=list(KINDS))
def test_folded_and_plain_are_one_function_with_gradients(spec):
    part, plain = made(spec), Attend(replace(spec, lean=False))
    plain.load_state_dict(part.state_dict())
    x, allow = torch.randn(1, 3, 8), some()[:, None]
    for empty in ("zero", "mean"):
        results = []
        for one in (part, plain):
            one.spec = replace(one.spec, empty=empty)
            source = torch.randn(3, INPUTS, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
            out = one(x, source, allow)
            grads = torch.autograd.grad(
                (out * torch.arange(8.0)).sum(), [source, *one.pair.parameters(), one.query.weight]
            )
            results.append((out, *grads))
        for ours, theirs in zip(*results, strict=True):
            close(ours, theirs)


@pytest.mark.parametrize("spec", KINDS.values(), ids=list(KINDS))
def test_what_is_masked_has_no_influence_and_no_gradient(spec):
    part, x, allow = made(spec), torch.randn(1, 3, 8), some()
    source = torch.randn(3, INPUTS, 6, requires_grad=True)
    out = part(x, source, allow[:, None])
    other = torch.where(allow[..., None], source, 100 * torch.randn(3, INPUTS, 6))
    close(part(x, other, allow[:, None]), out)
    (gradient,) = torch.autograd.grad(out.square().sum(), source)
    assert bool(gradient.isfinite().all())
    assert float(gradient[~allow].abs().max()) == 0
    assert float(gradient[allow].abs().min()) > 0


@pytest.mark.parametrize("spec", KINDS.values(), ids=list(KINDS))
def test_a_row_that_may_see_nothing_gets_exactly_nothing(spec):
    part, x = made(spec), torch.randn(1, 3, 8)
    mixed = []
    part.out.register_forward_hook(lambda _module, given, _out: mixed.append(given[0]))
    part(x, torch.randn(3, INPUTS, 6), some()[:, None])
    assert not bool(mixed[0][-1].any())
    assert bool(mixed[0][:-1].all())


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_parity_with_transformers_layer(masked, lean):
    spec = replace(FEW, widen=2, act="gelu", empty="mean", lean=lean)
    theirs = PerceiverLayer(PerceiverConfig(attention_probs_dropout_prob=0.0), is_cross_attention=True, q_dim=8,
                            kv_dim=6, widening_factor=2).eval()  # fmt: skip
    shake(theirs)
    ours, states = Attend(spec), theirs.state_dict()
    ours.load_state_dict({
        name: states[other] if isinstance(other, str) else torch.cat([states[one] for one in other])
        for name, other in block_names(spec).items()
    })  # fmt: skip
    x, source = torch.randn(3, 3, 8), torch.randn(3, INPUTS, 6)
    mask = torch.where(some(), 0.0, torch.finfo(torch.float32).min)[:, None, None] if masked else None
    close(ours(x, source, some()[:, None] if masked else None), theirs(x, inputs=source, inputs_mask=mask)[0])


def test_how_much_is_looked_at_adds_up():
    part, x, source = made(MANY), torch.randn(1, 3, 8), torch.randn(3, INPUTS, 6)
    close(part.weights(x, source).sum(-1), torch.ones(3, 3))


def core(spec: PerceiverSpec = CORE) -> Perceiver:
    part = Perceiver(spec).eval()
    shake(part)
    return part


PUBLISHED = {
    "Perceiver IO": CORE,
    "Perceiver": replace(CORE, every=1, share_reads="all_but_first"),
    "Perceiver, first block apart": replace(CORE, every=1, share="all_but_first", share_reads="all_but_first"),
    "nothing shared": replace(CORE, blocks=5, every=2, share="none", share_reads="none"),
}
SETS = {"Perceiver IO": (1, 1, 1), "Perceiver": (3, 2, 1), "Perceiver, first block apart": (3, 2, 2),
        "nothing shared": (3, 3, 5)}  # fmt: skip
"""Reads, sets of their weights, sets of blocks."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_order_of_reads_and_blocks(name):
    """Written out: what is read when, and with whose weights."""
    spec, (_, reads, blocks) = PUBLISHED[name], SETS[name]
    part, x, mask = core(spec), torch.randn(3, INPUTS, 6), some()
    assert (spec.reads, len(part.reads), len(part.blocks)) == SETS[name]
    z, turn = part.latents.expand(3, -1, -1), 0
    for number in range(spec.blocks):
        if {"Perceiver IO": number == 0, "nothing shared": number in (0, 2, 4)}.get(name, True):
            z = slow(part.reads[min(turn, reads - 1)], z, x, mask[:, None].expand(-1, 3, -1))
            turn += 1
        for layer in part.blocks[min(number, blocks - 1)]:
            z = slow(layer, z, z)
    close(part(x, mask), z)


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("inputs", [INPUTS, 2])
def test_cost_is_what_torch_counts(name, inputs):
    for spec in (PUBLISHED[name], replace(PUBLISHED[name], read=MANY, layer=replace(ALONE, widen=2, qk=4, v=6))):
        assert spec.cost(inputs) == counted(partial(Perceiver, spec), lambda part: part(torch.empty(1, inputs, 6)))


def test_shared_blocks_weigh_as_much_as_one():
    once = replace(CORE, blocks=1)
    assert CORE.cost(9).params == once.cost(9).params
    assert replace(CORE, share="none").cost(9).params - once.cost(9).params == 2 * 2 * ALONE.cost(3).params
    assert CORE.cost(9).flops - once.cost(9).flops == 2 * 2 * ALONE.cost(3).flops


def test_latents_are_as_many_whatever_is_read():
    part = core()
    assert {part(torch.randn(2, inputs, 6)).shape for inputs in (1, 9, 300)} == {(2, 3, 8)}


def test_the_order_of_inputs_does_not_matter():
    part, x, order = core(), torch.randn(2, INPUTS, 6), torch.randperm(INPUTS)
    close(part(x[:, order]), part(x))


def test_every_weight_is_trained_and_drawn_as_said():
    torch.manual_seed(0)
    part, head = Perceiver(CORE), PerceiverDecoder(HEAD)
    shake(head)
    head(part(torch.randn(2, INPUTS, 6))).square().sum().backward()
    keys = {name for module in (part, head) for name, weight in module.named_parameters() if not weight.grad.any()}
    assert keys == set()
    wide = Attend(AttendSpec(width=400, source=400))
    assert float(wide.pair.weight.detach().std()) == pytest.approx(400**-0.5, rel=0.02)
    assert not bool(wide.pair.bias.any())


def head() -> PerceiverDecoder:
    part = PerceiverDecoder(HEAD).eval()
    shake(part)
    return part


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("learned", [True, False])
def test_answers_in_pieces_are_those_at_once(chunk, learned):
    part, z = head(), torch.randn(3, 3, 8)
    queries = None if learned else torch.randn(1, 4, 5)
    mask = torch.rand(3, 4) < 0.5
    close(part(z, queries, chunk=chunk), part(z, queries))
    close(part(z, queries, mask, chunk=chunk), part(z, queries, mask))


def test_answers_are_what_the_authors_wrote():
    part, z = head(), torch.randn(3, 3, 8)
    close(part(z), part.out(slow(part.block, part.queries[None], z)))
    mask = torch.tensor([True, False, True, True]).expand(3, -1)
    found = part(z, mask=mask)
    close(found, part.out(slow(part.block, part.queries[None], z, mask[:, :, None].expand(-1, -1, 3))))
    assert float((found - found[:1])[:, 1].detach().abs().max()) < 1e-6  # whatever the latents are


def test_one_answer_does_not_know_of_the_others():
    part, z, queries = head(), torch.randn(3, 3, 8), torch.randn(3, 6, 5)
    close(part(z, queries[:, 2:4]), part(z, queries)[:, 2:4])


@pytest.mark.parametrize("queries", [1, 40])
def test_cost_of_answers_is_what_torch_counts(queries):
    for spec in (HEAD, replace(HEAD, out=0, block=replace(HEAD.block, heads=2, qk=4, v=6))):
        told = replace(spec, queries=queries)
        assert told.cost() == counted(partial(PerceiverDecoder, told), lambda part: part(torch.empty(1, 3, 8)))
        free = replace(spec, queries=0)
        found = counted(
            partial(PerceiverDecoder, free), lambda part: part(torch.empty(1, 3, 8), torch.empty(1, queries, 5))
        )
        assert free.cost(queries) == found


def test_refuses_what_does_not_fit():
    part, z = PerceiverDecoder(replace(HEAD, queries=0)), torch.randn(3, 3, 8)
    with pytest.raises(SaccadeError, match="has no queries of its own; hand them in"):
        part(z)
    with pytest.raises(SaccadeError, match="1 or more queries are answered at a time, got chunk 0"):
        head()(z, chunk=0)
