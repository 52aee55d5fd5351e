"""Matcher: which text belongs to which picture. See ``specs/matcher.py``."""

from typing import Literal, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from saccade.connectors.qformer import Image, QFormer, States
from saccade.core.errors import SaccadeError
from saccade.nn import objectives
from saccade.specs.matcher import MatcherSpec


class WordHead(nn.Module):
    """States to logits over the words of the table that they were read from: BERT's transform, and the table again."""

    def __init__(self, width: int, vocabulary: int, eps: float) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=eps)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(
        self, states: Float[Tensor, "batch length width"], table: Float[Tensor, "words width"]
    ) -> Float[Tensor, "batch length words"]:
        """Position by position."""
        return F.linear(self.norm(F.gelu(self.dense(states))), table, self.bias)


@final
class Matcher(nn.Module):
    """``spec`` fixes every size. Pictures come as patches of their one view, class token first; texts as ids that begin
    with ``spec.cls`` and end in padding, which is where ``real`` is false (where an id is ``spec.pad``, unless given).
    """

    def __init__(self, spec: MatcherSpec) -> None:
        super().__init__()
        self.spec = spec
        width = spec.qformer.width
        self.qformer = QFormer(spec.qformer)
        self.image_head = nn.Linear(width, spec.embed)
        self.text_head = nn.Linear(width, spec.embed)
        self.match_head = nn.Linear(width, 2)
        trains = spec.dec is not None
        self.word_head = WordHead(width, spec.qformer.vocabulary, spec.qformer.eps) if trains else None
        self.temperature = nn.Parameter(torch.tensor(0.07)) if trains else None

    def similarity(
        self,
        patches: Float[Tensor, "pictures patches width_in"],
        ids: Int[Tensor, "texts length"],
        real: Bool[Tensor, "texts length"] | None = None,
    ) -> Float[Tensor, "pictures texts"]:
        """Cosine of every picture's best query and every text; neither has seen the other."""
        texts = self._texted(ids, self._real(ids, real))
        return objectives.similarities(self._pictured(patches), texts)

    def match(
        self,
        image: Image,
        ids: Int[Tensor, "pairs length"],
        real: Bool[Tensor, "pairs length"] | None = None,
    ) -> Float[Tensor, "pairs 2"]:
        """Logits of each pair, read together: first that they do not belong together, then that they do."""
        real = self._real(ids, real)
        states = self.qformer.read(image, ids, real, mask="bidirectional", rows=self.spec.qformer.queries).queries
        assert states is not None
        return self.match_head(states.mean(dim=1))  # the mean of logits is the logit of the mean

    def losses(
        self,
        patches: Float[Tensor, "pictures patches width_in"],
        ids: Int[Tensor, "batch length"],
        real: Bool[Tensor, "batch length"] | None = None,
        *,
        generator: torch.Generator | None = None,
        negatives: Int[Tensor, "negatives 2"] | None = None,
        pictures: Int[Tensor, " batch"] | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """``itc``, ``itm`` and ``itg`` of pictures and their captions, to be added up; see ``nn/objectives.py``.

        Equal captions, and captions of one picture where ``pictures`` numbers them, count as belonging together.
        ``negatives`` are pairs (picture, text) for the match, drawn by ``generator`` unless given. Every picture's keys
        and values are made once; the match only takes them in another order. Raises SaccadeError for a matcher that
        only judges.
        """
        dec, words, head, temperature = self.spec.dec, self.qformer.words, self.word_head, self.temperature
        if dec is None or words is None or head is None or temperature is None:
            raise SaccadeError(
                "matcher: it only judges, having no head that writes and no temperature, so it has no losses; start "
                "from a checkpoint of the first stage, or give its spec a dec"
            )
        if len(patches) != len(ids):
            raise SaccadeError(f"matcher: {len(patches)} pictures and {len(ids)} texts are no pairs; pair them")
        real, batch = self._real(ids, real), len(ids)
        keys = self.qformer.image(patches)
        seen = self.qformer.read(keys)
        scores = objectives.similarities(self._unit(seen), self._texted(ids, real)) / temperature
        same = objectives.together(ids, real, pictures)
        if negatives is None:
            negatives = objectives.hard_negatives(scores, same, generator)
        own = torch.arange(batch, device=ids.device)[:, None].expand(-1, 2)
        shown, told = torch.cat([own, negatives]).unbind(dim=1)
        logits = self.match(keys.take(shown), ids[told], real[told])
        written = torch.cat([torch.full_like(ids[:, :1], dec), ids[:, 1:]], dim=1)
        states = self.qformer.write(seen.memory, written, real)
        return {
            "itc": objectives.contrastive(scores, same),
            "itm": objectives.matching(logits, batch),
            "itg": objectives.generation(head(states, words.weight), ids, real),
        }

    @torch.no_grad()
    def rank(
        self,
        patches: Float[Tensor, "pictures patches width_in"],
        ids: Int[Tensor, "texts length"],
        real: Bool[Tensor, "texts length"] | None = None,
        *,
        of: Literal["pictures", "texts"] = "pictures",
        top: int = 128,
    ) -> Float[Tensor, "pictures texts"]:
        """Log-odds that picture and text belong together, for the ``top`` most similar texts of each picture, or the
        ``top`` most similar pictures of each text; −∞ for all other pairs.
        """
        real = self._real(ids, real)
        texted = self._texted(ids, real)
        similar = torch.cat([objectives.similarities(self._pictured(one[None]), texted) for one in patches])
        dim = {"pictures": 1, "texts": 0}[of]
        best = similar.topk(min(top, similar.shape[dim]), dim=dim).indices
        chosen = torch.zeros_like(similar, dtype=torch.bool).scatter(dim, best, value=True)
        odds = torch.full_like(similar, -torch.inf)
        for at in range(len(patches)):
            texts = chosen[at].nonzero()[:, 0]
            if len(texts):
                keys = self.qformer.image(patches[at : at + 1]).take(torch.zeros_like(texts))
                logits = self.match(keys, ids[texts], real[texts])
                odds[at, texts] = logits[:, 1] - logits[:, 0]
        return odds

    def _pictured(self, patches: Tensor) -> Float[Tensor, "pictures queries embed"]:
        return self._unit(self.qformer.read(patches))

    def _unit(self, seen: States) -> Float[Tensor, "pictures queries embed"]:
        assert seen.queries is not None
        return F.normalize(self.image_head(seen.queries), dim=-1)

    def _texted(self, ids: Tensor, real: Tensor) -> Float[Tensor, "texts embed"]:
        states = self.qformer.read(ids=ids, real=real, rows=1).text
        assert states is not None
        return F.normalize(self.text_head(states[:, 0]), dim=-1)

    def _real(self, ids: Tensor, real: Tensor | None) -> Bool[Tensor, "texts length"]:
        """What of the texts is no padding. Raises SaccadeError where one does not begin as texts do."""
        if not bool((ids[:, 0] == self.spec.cls).all()):
            raise SaccadeError(
                f"matcher: texts begin with {self.spec.cls} ([CLS]), got {ids[:, 0].unique().tolist()}; put it in front"
            )
        return ids != self.spec.pad if real is None else real
