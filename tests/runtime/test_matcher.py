"""The matcher against transformers' retrieval model, and its losses against the first stage written out on that model.

The oracle shares no code with what it judges: it projects every picture's keys four times (once for contrast, three
times for the match), and writes captions in one pass under the whole mask.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Blip2Config, Blip2ForImageTextRetrieval

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.runtime.matcher import Matcher
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.matcher import MatcherSpec
from saccade.weights.qformer import joined, rename_matcher
from tests.parts import close, counted, shake

WORDS, QUERIES, WIDTH, EMBED = 30, 4, 8, 6
SPEC = MatcherSpec(
    qformer=QFormerSpec(
        width_in=12, width_out=0, queries=QUERIES, depth=3, width=WIDTH, heads=2, middle=10, vocabulary=WORDS,
        positions=9,
    ),
    embed=EMBED, pad=0, cls=1, dec=29,
)  # fmt: skip
QFORMER = {
    "hidden_size": WIDTH, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 10,
    "encoder_hidden_size": 12, "cross_attention_frequency": 2, "vocab_size": WORDS, "max_position_embeddings": 9,
    "use_qformer_text_input": True,
}  # fmt: skip
VISION = {
    "hidden_size": 12, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28,
    "patch_size": 7,
}  # fmt: skip


class Stage(nn.Module):
    """The retrieval model of transformers, and what the first stage has beside it, under LAVIS' names."""

    def __init__(self) -> None:
        super().__init__()
        config = Blip2Config(
            vision_config=VISION, qformer_config=QFORMER, num_query_tokens=QUERIES, image_text_hidden_size=EMBED
        )
        self.model = Blip2ForImageTextRetrieval(config).eval()
        self.dense, self.norm = nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(WORDS))
        self.temp = nn.Parameter(torch.tensor(0.5))
        shake(self)
        with torch.no_grad():
            self.model.query_tokens.normal_()
            self.temp.fill_(0.31)

    def tensors(self) -> dict[str, Tensor]:
        """Everything a matcher has, under published names."""
        start = "Qformer.cls.predictions"
        return {
            **{name: tensor for name, tensor in self.model.state_dict().items() if "vision_model" not in name},
            **{f"{start}.transform.dense.{name}": tensor for name, tensor in self.dense.state_dict().items()},
            **{f"{start}.transform.LayerNorm.{name}": tensor for name, tensor in self.norm.state_dict().items()},
            f"{start}.bias": self.bias,
            "temp": self.temp,
        }

    def read(self, embeds: Tensor, patches: Tensor | None, allow: Tensor, queries: int) -> Tensor:
        """One pass of transformers' Q-Former under a mask that is written out."""
        return self.model.qformer(
            query_embeds=embeds, query_length=queries, attention_mask=allow, encoder_hidden_states=patches
        ).last_hidden_state

    def similarity(self, patches: Tensor, ids: Tensor, real: Tensor) -> Tensor:
        model, asked = self.model, self.model.query_tokens
        seen = self.read(asked.expand(len(patches), -1, -1), patches, torch.ones(len(patches), QUERIES), QUERIES)
        told = self.read(model.embeddings(ids), None, real.long(), 0)[:, 0]
        pictures = F.normalize(model.vision_projection(seen), dim=-1)
        texts = F.normalize(model.text_projection(told), dim=-1)
        return torch.stack([torch.stack([(one @ text).max() for text in texts]) for one in pictures])

    def match(self, patches: Tensor, ids: Tensor, real: Tensor) -> Tensor:
        asked = self.model.query_tokens.expand(len(ids), -1, -1)
        embeds = self.model.embeddings(input_ids=ids, query_embeds=asked)
        allow = torch.cat([torch.ones(len(ids), QUERIES), real], dim=1).long()
        seen = self.read(embeds, patches, allow, QUERIES)[:, :QUERIES]
        return self.model.itm_head(seen).mean(dim=1)

    def written(self, patches: Tensor, ids: Tensor, real: Tensor) -> Tensor:
        """Logits of every next word: queries see queries, a word sees queries and the words up to itself."""
        ids = torch.cat([torch.full_like(ids[:, :1], SPEC.dec), ids[:, 1:]], dim=1)
        length, words = QUERIES + ids.shape[1], []
        for row, told, here in zip(patches, ids, real, strict=True):
            allow = torch.zeros(1, 1, length, length, dtype=torch.bool)
            for i in range(length):
                for j in range(length):
                    past = j < QUERIES or (QUERIES <= j <= i and bool(here[j - QUERIES]))
                    allow[0, 0, i, j] = j < QUERIES if i < QUERIES else past
            embeds = self.model.embeddings(input_ids=told[None], query_embeds=self.model.query_tokens)
            words.append(self.read(embeds, row[None], allow, QUERIES)[0, QUERIES:])
        x = self.norm(F.gelu(self.dense(torch.stack(words))))
        return x @ self.model.embeddings.word_embeddings.weight.T + self.bias

    def losses(self, patches: Tensor, ids: Tensor, real: Tensor, negatives: Tensor) -> dict[str, Tensor]:
        scores, batch = self.similarity(patches, ids, real) / self.temp, len(ids)
        wanted = torch.zeros(batch, batch)
        for i in range(batch):
            for j in range(batch):
                wanted[i, j] = float(ids[i][real[i]].tolist() == ids[j][real[j]].tolist())
        wanted = wanted / wanted.sum(dim=1, keepdim=True)
        smooth = 0.9 * wanted + 0.1 / batch
        itc = -(smooth * (scores.log_softmax(1) + scores.T.log_softmax(1))).sum() / batch / 2
        pairs = [(index, index) for index in range(batch)] + [tuple(pair) for pair in negatives.tolist()]
        shown, told = (torch.tensor([pair[at] for pair in pairs]) for at in (0, 1))
        logits = self.match(patches[shown], ids[told], real[told])
        itm = F.cross_entropy(logits, torch.tensor([1] * batch + [0] * len(negatives)))
        words = self.written(patches, ids, real)
        terms = []
        for row in range(batch):
            for at in range(ids.shape[1] - 1):
                if real[row, at + 1]:
                    surprise = -words[row, at].log_softmax(0)
                    terms.append(0.9 * surprise[ids[row, at + 1]] + 0.1 * surprise.mean())
        return {"itc": itc, "itm": itm, "itg": torch.stack(terms).mean()}


@pytest.fixture(scope="module")
def both() -> tuple[Stage, Matcher]:
    torch.manual_seed(5)
    stage, matcher = Stage(), Matcher(SPEC).eval()
    tensors = stage.tensors()
    matcher.load_state_dict(joined(tensors, rename_matcher(tensors, SPEC.qformer)))
    return stage, matcher


def patches(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 16, 12, generator=torch.Generator().manual_seed(seed))


def texts(lengths: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Texts that begin with ``cls``, none of whose words is padding."""
    ids = torch.randint(2, 28, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(seed))
    ids[:, 0] = SPEC.cls
    real = torch.arange(ids.shape[1]) < torch.tensor(lengths)[:, None]
    return ids.masked_fill(~real, SPEC.pad), real


def theirs(stage: Stage, pixels: Tensor, ids: Tensor, real: Tensor, *, match: bool) -> Tensor:
    """The published class itself, from pixels."""
    return stage.model(
        pixel_values=pixels, input_ids=ids, attention_mask=real.long(), use_image_text_matching_head=match
    ).logits_per_image


def test_similarity_and_match_equal_transformers_alone_and_padded(both):
    stage, matcher = both
    pixels = torch.randn(3, 3, 28, 28, generator=torch.Generator().manual_seed(2))
    ids, real = texts([7, 4, 2])
    with torch.no_grad():
        seen = stage.model.vision_model(pixels).last_hidden_state
        found, pairs = matcher.similarity(seen, ids, real), matcher.match(seen, ids, real)
        close(found, theirs(stage, pixels, ids, real, match=False))
        close(pairs, theirs(stage, pixels, ids, real, match=True))
        for at, length in enumerate([7, 4, 2]):
            one, cut = pixels[at : at + 1], ids[at : at + 1, :length]
            whole = torch.ones_like(cut, dtype=torch.bool)
            close(found[at : at + 1, at : at + 1], theirs(stage, one, cut, whole, match=False))
            close(pairs[at : at + 1], theirs(stage, one, cut, whole, match=True))
            close(matcher.match(seen[at : at + 1], cut), pairs[at : at + 1])
    assert float((pairs[:, 1] - pairs[:, 0]).std()) > 0.01


@pytest.mark.parametrize("lengths", [[6, 6, 6, 6], [7, 4, 2, 5], [3, 7]], ids=str)
def test_losses_and_the_queries_gradient_equal_the_first_stage_written_out(both, lengths):
    stage, matcher = both
    seen, (ids, real) = patches(len(lengths)), texts(lengths)
    draw = torch.Generator().manual_seed(7)
    others = torch.randint(0, len(lengths) - 1, (2, len(lengths)), generator=draw)
    own = torch.arange(len(lengths))
    apart = (own + 1 + others) % len(lengths)
    negatives = torch.cat([torch.stack([apart[0], own], 1), torch.stack([own, apart[1]], 1)])
    ours, oracle = matcher.losses(seen, ids, real, negatives=negatives), stage.losses(seen, ids, real, negatives)
    assert set(ours) == set(oracle) == {"itc", "itm", "itg"}
    for name, loss in ours.items():
        close(loss, oracle[name])
        mine = torch.autograd.grad(loss, matcher.qformer.queries, retain_graph=True)[0]
        published = torch.autograd.grad(oracle[name], stage.model.query_tokens, retain_graph=True)[0]
        assert float(published.abs().max()) > 1e-4
        close(mine, published)


def test_every_weight_learns_as_the_first_stage_written_out(both):
    """The sum of the three, on every weight; the temperature too, which divides."""
    stage, matcher = both
    seen, (ids, real) = patches(3), texts([5, 3, 6])
    negatives = torch.tensor([[1, 0], [2, 1], [0, 2], [0, 1], [1, 2], [2, 0]])
    matcher.zero_grad()
    torch.stack(list(matcher.losses(seen, ids, real, negatives=negatives).values())).sum().backward()
    stage.zero_grad()
    torch.stack(list(stage.losses(seen, ids, real, negatives).values())).sum().backward()
    grads: dict[str, Any] = {name: one.grad for name, one in stage.model.named_parameters() if one.grad is not None}
    start = "Qformer.cls.predictions"
    grads |= {f"{start}.transform.dense.{name}": one.grad for name, one in stage.dense.named_parameters()}
    grads |= {f"{start}.transform.LayerNorm.{name}": one.grad for name, one in stage.norm.named_parameters()}
    grads |= {f"{start}.bias": stage.bias.grad, "temp": stage.temp.grad}
    wanted = joined(grads, rename_matcher(grads, SPEC.qformer))
    for name, weight in matcher.named_parameters():
        assert weight.grad is not None, name
        close(weight.grad, wanted.pop(name), 2e-5)
    assert wanted == {}


def test_negatives_are_drawn_from_the_scores_unless_given(both):
    """Weights of the draw are the softmax of scores over the temperature, so it decides how hard they are."""
    _, matcher = both
    seen, (ids, real) = patches(5), texts([6, 5, 4, 3, 6])
    found = matcher.losses(seen, ids, real, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        scores = matcher.similarity(seen, ids, real) / matcher.temperature
    again = torch.Generator().manual_seed(3)
    pairs = []
    for rows, of_texts in ((scores.T, True), (scores, False)):
        weights = torch.stack([row.masked_fill(torch.arange(5) == at, -1e4).softmax(0) for at, row in enumerate(rows)])
        drawn = torch.multinomial(weights, 1, generator=again)[:, 0]
        own = torch.arange(5)
        pairs.append(torch.stack([drawn, own] if of_texts else [own, drawn], dim=1))
    given = matcher.losses(seen, ids, real, negatives=torch.cat(pairs))
    close(found["itm"], given["itm"])
    other = matcher.losses(seen, ids, real, generator=torch.Generator().manual_seed(4))
    assert not torch.allclose(other["itm"], found["itm"])
    close(other["itc"], found["itc"])


def test_equal_captions_belong_together_and_are_no_negatives(both):
    stage, matcher = both
    seen, (ids, real) = patches(3), texts([5, 5, 4])
    ids[1], real[1] = ids[0], real[0]
    negatives = torch.tensor([[2, 0], [2, 1], [0, 2], [0, 2], [1, 2], [2, 0]])
    ours, oracle = matcher.losses(seen, ids, real, negatives=negatives), stage.losses(seen, ids, real, negatives)
    close(ours["itc"], oracle["itc"])
    apart = matcher.losses(seen, *texts([5, 5, 4]), negatives=negatives)
    assert not torch.allclose(apart["itc"], ours["itc"])
    numbered = matcher.losses(seen, *texts([5, 5, 4]), negatives=negatives, pictures=torch.tensor([4, 4, 9]))
    assert not torch.allclose(numbered["itc"], apart["itc"])
    alike = matcher.losses(seen[:2], ids[:2], real[:2])  # no one left to be told from
    close(
        alike["itm"], matcher.losses(seen[:2], ids[:2], real[:2], negatives=torch.empty(0, 2, dtype=torch.long))["itm"]
    )


def test_a_batch_of_one_works(both):
    stage, matcher = both
    seen, (ids, real) = patches(1), texts([5])
    ours = matcher.losses(seen, ids, real)
    oracle = stage.losses(seen, ids, real, torch.empty(0, 2, dtype=torch.long))
    for name, loss in ours.items():
        close(loss, oracle[name])
    assert float(ours["itc"].detach()) == 0


def test_keys_are_made_once_for_all_three(both, monkeypatch):
    _, matcher = both
    rows: list[int] = []
    look = matcher.qformer.look.forward
    monkeypatch.setattr(matcher.qformer.look, "forward", lambda x: (rows.append(len(x)), look(x))[1])
    matcher.losses(patches(4), *texts([5, 3, 6, 4]))
    assert rows == [4]


def test_padding_is_told_by_its_id_unless_said(both):
    _, matcher = both
    seen, (ids, real) = patches(3), texts([7, 4, 2])
    close(matcher.similarity(seen, ids), matcher.similarity(seen, ids, real))
    close(matcher.match(seen, ids), matcher.match(seen, ids, real))
    everything = torch.ones_like(real)
    assert not torch.allclose(matcher.match(seen, ids, everything), matcher.match(seen, ids, real), atol=1e-3)


@pytest.mark.parametrize("of", ["pictures", "texts"])
def test_rank_decides_for_the_most_similar_pairs_alone(both, of):
    _, matcher = both
    seen, (ids, real) = patches(4), texts([6, 3, 5, 2, 4, 7])
    with torch.no_grad():
        similar = matcher.similarity(seen, ids, real)
    found = matcher.rank(seen, ids, real, of=of, top=2)
    best = similar if of == "pictures" else similar.T
    wanted = torch.full_like(best, -torch.inf)
    for row, scores in enumerate(best):
        for col in sorted(range(len(scores)), key=lambda at: -float(scores[at]))[:2]:
            picture, text = (row, col) if of == "pictures" else (col, row)
            with torch.no_grad():
                no, yes = matcher.match(seen[picture][None], ids[text][None], real[text][None])[0]
            wanted[row, col] = yes - no
    wanted = wanted if of == "pictures" else wanted.T
    assert found.isinf().equal(wanted.isinf())
    close(found[~found.isinf()], wanted[~wanted.isinf()])
    assert not matcher.rank(seen, ids, real, of=of).isinf().any()


def test_cost_is_what_torch_counts():
    def run(matcher: nn.Module) -> None:
        assert isinstance(matcher, Matcher)
        ids = torch.empty(1, 6, dtype=torch.long)
        states = matcher.qformer.read(torch.empty(1, 16, 12), ids, mask="bidirectional", rows=QUERIES).queries
        assert states is not None
        matcher.match_head(states.mean(dim=1))

    assert SPEC.cost(Grid(3, 5), 6) == counted(lambda: Matcher(SPEC), run)


def test_refusals(both):
    _, matcher = both
    seen, (ids, real) = patches(3), texts([5, 5, 4])
    with pytest.raises(SaccadeError, match=r"3 pictures and 2 texts are no pairs; pair them"):
        matcher.losses(seen, ids[:2], real[:2])
    with pytest.raises(SaccadeError, match=r"texts begin with 1 \(\[CLS\]\), got \[1, 5\]; put it in front"):
        matcher.similarity(seen, torch.cat([ids[:2], torch.full_like(ids[:1], 5)]))
