"""Perceiver IO: inputs to latents, latents to answers, apart from each other; and what it classifies.

See ``architectures/perceiver/io_spec.py``. One set of latents answers any number of queries.
"""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor, nn

from saccade.architectures.perceiver.inputs import build_input
from saccade.architectures.perceiver.inputs_spec import ByteInputSpec
from saccade.architectures.perceiver.io_spec import MaskedSpec, PerceiverIOSpec
from saccade.architectures.perceiver.spelling import real_of, spelt
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.nn.perceiver import Perceiver, PerceiverDecoder
from saccade.specs.layouts.resize import CropThenResizeSpec
from saccade.views.open import open_picture
from saccade.views.sample import normalise

Colour = tuple[float, float, float]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's colours, for values from 0 to 1."""


@final
class PerceiverIO(nn.Module):
    """``spec`` fixes every size."""

    def __init__(self, spec: PerceiverIOSpec) -> None:
        super().__init__()
        self.spec = spec
        self.inputs = build_input(spec.inputs)
        self.encoder = Perceiver(spec.encoder)
        self.decoder = PerceiverDecoder(spec.decoder)

    def encode(
        self, inputs: object, mask: Bool[Tensor, "views inputs"] | None = None
    ) -> Float[Tensor, "views latents width"]:
        """Latents that have read ``inputs``, in the form that this input takes, where ``mask`` lets them."""
        return self.encoder(self.inputs(inputs), mask)

    def decode(
        self,
        z: Float[Tensor, "views latents width"],
        queries: Float[Tensor, "#views queries channels"] | None = None,
        mask: Bool[Tensor, "#views queries"] | None = None,
        *,
        chunk: int | None = None,
    ) -> Float[Tensor, "views queries out"]:
        """One answer a query; see ``nn.perceiver.PerceiverDecoder``."""
        return self.decoder(z, queries, mask, chunk=chunk)

    @property
    def zeroed(self) -> bool:
        """Whether queries that are masked see nothing, as the authors have it; in transformers they are not masked."""
        return self.spec.decoder.block.empty == "zero"


@final
class PictureClassifier(nn.Module):
    """A picture to scores of classes. ``views`` says how it is cropped, ``colours`` are mean and deviation."""

    def __init__(
        self,
        spec: PerceiverIOSpec,
        views: CropThenResizeSpec | None = None,
        colours: tuple[Colour, Colour] = (MEAN, STD),
    ) -> None:
        super().__init__()
        self.spec, self.colours = spec, colours
        self.views = CropThenResizeSpec(size=Size(224, 224), of=256) if views is None else views
        self.io = PerceiverIO(spec)

    def forward(
        self, pixels: Float[Tensor, "views channels height width"], mask: Bool[Tensor, "views inputs"] | None = None
    ) -> Float[Tensor, "views classes"]:
        """Scores before softmax. ``mask`` says which tokens of the input may be read."""
        return self.io.decode(self.io.encode(pixels, mask))[:, 0]

    def pixels(self, images: Sequence[Image.Image]) -> Float[Tensor, "views 3 height width"]:
        """What the model reads of pictures: their middle, scaled and normalised."""
        arrays: list[np.ndarray] = []
        for picture in map(open_picture, images):
            (view,) = self.views.layout(Size(*picture.size)).views
            middle = picture.crop(view.source.sides)  # cut first: nothing outside is seen
            arrays.append(np.asarray(middle.resize((view.size.width, view.size.height), Image.Resampling.BICUBIC)))
        return normalise(arrays, *self.colours).to(next(self.parameters()))

    @torch.inference_mode()
    def classify(self, images: Sequence[Image.Image]) -> Float[Tensor, "views classes"]:
        """Scores of pictures."""
        return self(self.pixels(images))


@final
class TextClassifier(nn.Module):
    """A text to scores of classes."""

    def __init__(self, spec: PerceiverIOSpec) -> None:
        super().__init__()
        if not isinstance(spec.inputs, ByteInputSpec):
            raise SaccadeError(
                f"perceiver: texts are read as ids, got {type(spec.inputs).__name__}; take ByteInputSpec"
            )
        self.spec = spec
        self.io = PerceiverIO(spec)

    def forward(
        self, ids: Int[Tensor, "texts length"], real: Bool[Tensor, "texts length"] | None = None
    ) -> Float[Tensor, "texts classes"]:
        """Scores before softmax; padding is where ``real`` is false."""
        return self.io.decode(self.io.encode(ids, real))[:, 0]


@final
class Masked(nn.Module):
    """Texts of bytes, some of them masked, to scores of what stands at every position."""

    def __init__(self, spec: MaskedSpec) -> None:
        super().__init__()
        self.spec = spec
        self.io = PerceiverIO(spec.io)
        self.bias = nn.Parameter(torch.zeros(spec.vocabulary))

    def forward(
        self, ids: Int[Tensor, "texts length"], real: Bool[Tensor, "texts length"] | None = None
    ) -> Float[Tensor, "texts length vocabulary"]:
        """Scores of every id at every position; padding is where ``real`` is false.

        Positions behind the longest text are not asked for: queries do not know of each other.
        """
        queries, words = self.io.decoder.queries, self.io.inputs.get_parameter("words.weight")
        assert queries is not None
        if ids.shape[1] > len(queries):
            raise SaccadeError(
                f"perceiver: {len(queries)} positions are asked for, got {ids.shape[1]} ids; cut the text"
            )
        z = self.io.encode(ids, real)
        found = self.io.decode(z, queries[None, : ids.shape[1]], real if self.io.zeroed else None)
        return nn.functional.linear(found, words, self.bias)

    @torch.inference_mode()
    def scores(self, texts: Sequence[str]) -> list[Float[Tensor, "_ vocabulary"]]:
        """Scores for each of ``texts``, from the marker before it to the one behind."""
        ids = spelt(texts, self.spec).to(self.bias.device)
        real = real_of(ids, self.spec)
        return [row[here] for row, here in zip(self(ids, real), real, strict=True)]
