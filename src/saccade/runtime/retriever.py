"""Retriever: pictures and texts that belong together, from pixels and words. See ``specs/retriever.py``."""

from collections.abc import Sequence
from typing import Literal, final

import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.runtime.encoded import VIEWS_AT_ONCE, pixels_of
from saccade.runtime.matcher import Matcher
from saccade.specs.retriever import RetrieverSpec
from saccade.towers import build_tower
from saccade.views.open import open_picture
from saccade.views.sample import normalise

Pictures = Sequence[Image.Image] | Float[Tensor, "pictures patches width"]
"""Pictures, or what ``encode`` made of them."""


@final
class Retriever(nn.Module):
    """``spec`` names the parts; ``tokenizer`` is the matcher's, whose texts begin with its ``cls``."""

    def __init__(self, spec: RetrieverSpec, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        self.spec, self.tokenizer = spec, tokenizer
        self.tower = build_tower(spec.tower)
        self.matcher = Matcher(spec.matcher)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def encode(self, images: Sequence[Image.Image]) -> Float[Tensor, "pictures patches width"]:
        """What the matcher reads of each picture; hand it in instead of pictures that are asked about again.

        Gradients flow unless the caller switches them off.
        """
        if not images:
            raise SaccadeError("there is nothing to retrieve from: hand in 1 picture or more")
        views = []
        for image in images:
            picture = open_picture(image)
            views += pixels_of(self.spec, picture, self.spec.views.layout(Size(*picture.size)))
        dtype = next(self.tower.parameters()).dtype
        batches = [views[start : start + VIEWS_AT_ONCE] for start in range(0, len(views), VIEWS_AT_ONCE)]
        normal = (normalise(batch, self.spec.mean, self.spec.std) for batch in batches)
        return torch.cat([self.tower(batch.to(self.device, dtype)) for batch in normal])

    def similarity(self, images: Pictures, texts: Sequence[str]) -> Float[Tensor, "pictures texts"]:
        """Cosine of every picture's best query and every text; neither has seen the other."""
        return self.matcher.similarity(self._patches(images), *self._words(texts))

    def match(self, images: Pictures, texts: Sequence[str]) -> Float[Tensor, "pairs 2"]:
        """Logits of the first picture with the first text and so on, read together: that they do not belong together,
        and that they do.
        """
        patches = self._patches(images)
        self._paired(patches, texts)
        return self.matcher.match(patches, *self._words(texts))

    def rank(
        self, images: Pictures, texts: Sequence[str], *, of: Literal["pictures", "texts"] = "pictures", top: int = 128
    ) -> Float[Tensor, "pictures texts"]:
        """Log-odds of the ``top`` most similar texts of each picture, or pictures of each text; −∞ for other pairs."""
        with torch.no_grad():
            return self.matcher.rank(self._patches(images), *self._words(texts), of=of, top=top)

    def losses(
        self, images: Pictures, texts: Sequence[str], *, generator: torch.Generator | None = None,
        negatives: Int[Tensor, "negatives 2"] | None = None, pictures: Int[Tensor, " batch"] | None = None,
    ) -> dict[str, Float[Tensor, ""]]:  # fmt: skip
        """``itc``, ``itm`` and ``itg`` of pictures and their captions; see ``Matcher.losses``."""
        patches = self._patches(images)
        self._paired(patches, texts)
        return self.matcher.losses(
            patches, *self._words(texts), generator=generator, negatives=negatives, pictures=pictures
        )

    def _patches(self, images: Pictures) -> Tensor:
        return images if isinstance(images, Tensor) else self.encode(images)

    def _words(self, texts: Sequence[str]) -> tuple[Int[Tensor, "texts length"], Bool[Tensor, "texts length"]]:
        """Ids, padded on the right, and which are words."""
        if not texts:
            raise SaccadeError("there is nothing to retrieve: hand in 1 text or more")
        told = self.tokenizer(list(texts), padding=True, padding_side="right", return_tensors="pt").to(self.device)
        return told["input_ids"], told["attention_mask"].bool()

    def _paired(self, patches: Tensor, texts: Sequence[str]) -> None:
        if len(patches) != len(texts):
            raise SaccadeError(f"{len(patches)} pictures and {len(texts)} texts are no pairs; pair them")
