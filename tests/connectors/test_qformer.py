"""The Q-Former against transformers' two classes of it, and its own parts against each other."""

from dataclasses import replace

import pytest
import torch
from transformers import Blip2QFormerConfig, Blip2QFormerModel, InstructBlipQFormerConfig, InstructBlipQFormerModel
from transformers.models.blip_2.modeling_blip_2 import Blip2TextEmbeddings

from saccade.connectors.qformer import QFormer
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.nn.bert import Keys
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.weights.qformer import joined, rename
from tests.memory import Meter, weights
from tests.parts import close, counted, shake

SPEC = QFormerSpec(width_in=12, width_out=6, queries=4, depth=5, width=8, heads=2, middle=10, every=2)
WORDED = replace(SPEC, vocabulary=30, positions=9)
GRID = Grid(3, 5)
FEW = Grid(1, 1)
"""So few patches that folding does not pay."""

CONFIG = {
    "hidden_size": 8, "num_hidden_layers": 5, "num_attention_heads": 2, "intermediate_size": 10,
    "encoder_hidden_size": 12, "cross_attention_frequency": 2, "vocab_size": 30, "max_position_embeddings": 9,
    "attn_implementation": "sdpa",
}  # fmt: skip


def made(spec: QFormerSpec = WORDED) -> QFormer:
    part = QFormer(spec).eval()
    shake(part)
    return part


def filled(spec: QFormerSpec, tensors: dict[str, torch.Tensor]) -> QFormer:
    part = made(spec)
    part.load_state_dict(part.state_dict() | joined(tensors, rename(tensors, spec)))
    return part


def prefixed(module: torch.nn.Module, start: str) -> dict[str, torch.Tensor]:
    return {f"{start}.{name}": tensor for name, tensor in module.state_dict().items()}


def worded(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Three texts of up to six words, two of them padded."""
    ids = torch.randint(0, 30, (3, 6), generator=torch.Generator().manual_seed(seed))
    real = torch.arange(6) < torch.tensor([6, 4, 2])[:, None]
    return ids, real


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("grid", [GRID, FEW], ids=str)
def test_parity_with_blip_2(grid, lean):
    theirs = Blip2QFormerModel(Blip2QFormerConfig(**CONFIG)).eval()
    shake(theirs)
    queries, patches = torch.randn(1, 4, 8), torch.randn(3, grid.tokens + 1, 12)
    spec = replace(SPEC, lean=lean)
    ours = filled(spec, {**prefixed(theirs, "qformer"), "query_tokens": queries})
    states = theirs(query_embeds=queries.expand(3, -1, -1), encoder_hidden_states=patches).last_hidden_state
    close(ours.read(patches).queries, states)
    close(ours(patches, grid), ours.project(states))
    assert spec.folds(grid.tokens + 1) == (lean and grid == GRID)


@pytest.mark.parametrize("lean", [True, False])
def test_parity_with_instructblip(lean):
    theirs = InstructBlipQFormerModel(InstructBlipQFormerConfig(**CONFIG)).eval()
    shake(theirs)
    queries, patches = torch.randn(1, 4, 8), torch.randn(3, GRID.tokens + 1, 12)
    ids, real = worded()
    ours = filled(replace(WORDED, lean=lean), {**prefixed(theirs, "qformer"), "query_tokens": queries})
    states = theirs(
        input_ids=ids,
        attention_mask=torch.cat([torch.ones(3, 4), real], dim=1).long(),
        query_embeds=queries.expand(3, -1, -1),
        encoder_hidden_states=patches,
    ).last_hidden_state
    both = ours.read(patches, ids, real, mask="bidirectional")
    close(both.queries, states[:, :4])
    close(both.text[real], states[:, 4:][real])
    for image in (patches, ours.image(patches)):
        close(ours.instructed(image, ids, real), ours.project(states[:, :4]))


def test_parity_with_blip_2_s_text_alone():
    config = Blip2QFormerConfig(**CONFIG, use_qformer_text_input=True)
    theirs, table = Blip2QFormerModel(config).eval(), Blip2TextEmbeddings(config)
    shake(theirs)
    shake(table)
    ids, real = worded()
    tensors = {**prefixed(theirs, "qformer"), **prefixed(table, "embeddings"), "query_tokens": torch.randn(1, 4, 8)}
    ours = filled(WORDED, tensors)
    states = theirs(query_embeds=table(ids), query_length=0, attention_mask=real.long()).last_hidden_state
    close(ours.read(ids=ids, real=real).text[real], states[real])
    close(ours.read(ids=ids, real=real, rows=1).text, states[:, :1])


@pytest.mark.parametrize("grid", [GRID, FEW, Grid(4, 9)], ids=str)
def test_folded_and_plain_are_one_function(grid):
    part, patches = made(), torch.randn(3, grid.tokens + 1, 12, requires_grad=True)
    plain = QFormer(replace(WORDED, lean=False))
    plain.load_state_dict(part.state_dict())
    close(part(patches, grid), plain(patches, grid))
    ways = [torch.autograd.grad((one(patches, grid) * torch.arange(6.0)).sum(), patches)[0] for one in (part, plain)]
    close(ways[0], ways[1])


def slow_mask(kind: str, real: list[bool]) -> torch.Tensor:
    """Who sees whom for 4 queries and the words: one text, place by place, as the masks are told."""
    queries, length = 4, 4 + len(real)
    allow = torch.zeros(length, length, dtype=torch.bool)
    for i in range(length):
        for j in range(length):
            of_text, text_seen = i >= queries, j >= queries
            there = not text_seen or real[j - queries]
            allow[i, j] = (
                there
                and {
                    "unimodal": of_text == text_seen,
                    "bidirectional": True,
                    "causal": not text_seen or (of_text and j <= i),
                }[kind]
            )
    return allow


@pytest.mark.parametrize("kind", ["unimodal", "bidirectional", "causal"])
def test_masks_are_what_they_say(kind):
    """One pass with the whole mask written out, against what ``read`` runs."""
    part, patches, (ids, real) = made(), torch.randn(3, 16, 12), worded()
    x = torch.cat([part._asking().expand(3, -1, -1), part._worded(ids, real)], dim=1)
    allow = torch.stack([slow_mask(kind, row.tolist()) for row in real])[:, None]
    states, _ = part._run(x, patches, allow=allow)
    found = part.read(patches, ids, real, mask=kind)
    close(found.queries, states[:, :4])
    close(found.text[real], states[:, 4:][real])


def test_words_written_after_the_queries_are_the_causal_mask():
    part, patches, (ids, real) = made(), torch.randn(3, 16, 12), worded()
    for image in (patches, part.image(patches)):
        seen = part.read(image)
        once = part.read(image, ids, real, mask="causal")
        close(once.queries, seen.queries)
        close(part.write(seen.memory, ids, real)[real], once.text[real])
        close(part.write(seen.memory, ids)[:1], once.text[:1])  # nothing is padded in the first


def test_words_alone_can_be_read_in_order():
    part, (ids, _) = made(), worded()
    whole = part.read(ids=ids, mask="causal").text
    close(part.read(ids=ids[:, :3], mask="causal").text, whole[:, :3])
    assert not torch.allclose(part.read(ids=ids[:, :3]).text, part.read(ids=ids).text[:, :3])


def test_words_do_not_reach_queries_unless_they_may():
    part, patches = made(), torch.randn(3, 16, 12)
    alone = part.read(patches).queries
    for kind in ("unimodal", "causal"):
        for seed in (0, 1):
            close(part.read(patches, *worded(seed), mask=kind).queries, alone)
    first, second = (part.read(patches, *worded(seed), mask="bidirectional").queries for seed in (0, 1))
    assert float((first - second).detach().abs().max()) > 0.1


def test_padding_reaches_nobody():
    part, patches, (ids, real) = made(), torch.randn(3, 16, 12), worded()
    other = torch.where(real, ids, (ids + 7) % 30)
    for kind in ("unimodal", "bidirectional", "causal"):
        found, moved = (part.read(patches, words, real, mask=kind) for words in (ids, other))
        close(moved.queries, found.queries)
        close(moved.text[real], found.text[real])
    cut = part.read(patches[1:2], ids[1:2, :4], mask="bidirectional")
    close(part.read(patches, ids, real, mask="bidirectional").queries[1:2], cut.queries)


def test_keys_are_made_once_and_taken_often():
    part, patches, (ids, real) = made(), torch.randn(3, 16, 12), worded()
    keys, index = part.image(patches), torch.tensor([2, 0, 0, 1])
    assert isinstance(keys, Keys)
    assert (len(keys), len(keys.take(index))) == (3, 4)
    close(part.read(keys).queries, part.read(patches).queries)
    again = torch.tensor([1, 1, 2, 0])
    close(
        part.read(keys.take(index), ids[again], real[again], mask="bidirectional").queries,
        part.read(patches[index], ids[again], real[again], mask="bidirectional").queries,
    )


def test_one_view_alone_and_in_a_batch():
    part, patches, (ids, real) = made(), torch.randn(3, 16, 12), worded()
    whole, told = part(patches, GRID), part.instructed(patches, ids, real)
    for view in range(3):
        at = slice(view, view + 1)
        close(part(patches[at], GRID), whole[at])
        close(part.instructed(patches[at], ids[at], real[at]), told[at])


def test_queries_keep_their_order():
    """Queries have no positions: their tokens change places with them."""
    part, patches, order = made(), torch.randn(3, 16, 12), torch.tensor([2, 0, 3, 1])
    before = part(patches, GRID)
    with torch.no_grad():
        part.queries.copy_(part.queries[:, order])
    close(part(patches, GRID), before[:, order])


def test_queries_are_drawn_apart_and_every_weight_is_trained():
    torch.manual_seed(1)
    part, patches, (ids, real) = QFormer(WORDED), torch.randn(3, 16, 12), worded()
    assert float(QFormer(replace(SPEC, queries=64, width=64)).queries.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert float(part(patches, GRID).detach().std(dim=1).min()) > 0
    together = part.read(patches, ids, real, mask="bidirectional")
    (part.project(together.queries).square().sum() + together.text[real].square().sum()).backward()
    unread = {name for name, weight in part.named_parameters() if weight.grad is None or not weight.grad.any()}
    assert unread == set()


def test_attention_is_what_reaches_the_queries():
    """Against maps drawn from transformers' eager attention, the class token's share taken out."""
    theirs = Blip2QFormerModel(Blip2QFormerConfig(**{**CONFIG, "attn_implementation": "eager"})).eval()
    shake(theirs)
    queries, patches = torch.randn(1, 4, 8), torch.randn(3, GRID.tokens + 1, 12)
    ours = filled(SPEC, {**prefixed(theirs, "qformer"), "query_tokens": queries})
    maps = theirs(
        query_embeds=queries.expand(3, -1, -1), encoder_hidden_states=patches, output_attentions=True
    ).cross_attentions
    mean = torch.stack([one for one in maps if one is not None]).mean(dim=(0, 2))[..., 1:]
    assert len(maps) == SPEC.crossing == 3
    close(ours.attention(patches, GRID), mean / mean.sum(dim=-1, keepdim=True))
    part, (ids, real) = made(), worded()
    found = part.attention(patches, GRID, ids, real)
    close(found.sum(dim=-1), torch.ones(3, 4))
    assert float((found - part.attention(patches, GRID)).detach().abs().max()) > 1e-3


@pytest.mark.parametrize("extra", [0, 1, 2])
@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("grid", [GRID, FEW], ids=str)
def test_cost_is_what_torch_counts(grid, lean, extra):
    spec = replace(SPEC, lean=lean, extra=extra)
    patches = torch.empty(1, grid.tokens + extra, 12)
    assert spec.cost(grid) == counted(lambda: QFormer(spec), lambda part: part(patches.to("meta"), grid))
    bare = replace(spec, width_out=0, vocabulary=30, positions=9)
    assert bare.cost(grid) == counted(lambda: QFormer(bare), lambda part: part(patches.to("meta"), grid))


@pytest.mark.parametrize("lean", [True, False])
def test_cost_of_reading_with_an_instruction_is_what_torch_counts(lean):
    spec = replace(WORDED, lean=lean, text=6)
    patches, ids = torch.empty(1, 16, 12), torch.empty(1, 6, dtype=torch.long)
    found = counted(lambda: QFormer(spec), lambda part: part.instructed(patches.to("meta"), ids.to("meta")))
    assert spec.cost(GRID) == found


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("views", [1, 5])
def test_peak_is_what_is_alive(views, lean):
    spec = QFormerSpec(width_in=256, width_out=128, depth=3, queries=8, width=256, heads=4, middle=512, lean=lean)
    part, patches = QFormer(spec), torch.randn(views, 257, 256)
    with torch.inference_mode(), Meter([*weights(part), patches]) as meter:
        part(patches, Grid(16, 16))
    found = meter.peak - sum(weight.nbytes for weight in weights(part))
    assert spec.folds(257) == lean
    assert spec.peak([Grid(16, 16)] * views, 4, eager=False) == pytest.approx(found, rel=0.15), meter.worst


def test_tokens_are_queries_whatever_the_view_and_known_by_attention():
    assert {SPEC.tokens(grid) for grid in (GRID, FEW)} == {4}
    assert not SPEC.exact
    assert [group.tolist() for group in SPEC.groups(Grid(1, 2))] == [[0, 1]] * 4


def test_refuses_what_does_not_fit():
    part, bare, patches = made(), made(SPEC), torch.randn(3, 16, 12)
    ids, _ = worded()
    with pytest.raises(SaccadeError, match="reads 15 patches and 1 beside them, 16 together, got 15; keep the tower's"):
        part(patches[:, 1:], GRID)
    with pytest.raises(SaccadeError, match="or set extra to 0"):
        part.attention(patches[:, 1:], GRID)
    with pytest.raises(SaccadeError, match="has no words; give its spec a vocabulary"):
        bare.instructed(patches, ids)
    with pytest.raises(SaccadeError, match="holds 9 words, got 10; shorten"):
        part.read(ids=torch.zeros(1, 10, dtype=torch.long))
    with pytest.raises(SaccadeError, match="was given 3 images and 2 texts; pair them"):
        part.instructed(patches, ids[:2])
    with pytest.raises(SaccadeError, match="was given nothing to read"):
        part.read()
