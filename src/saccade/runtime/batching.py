"""Text and pictures brought together for the language model: among its positions, or beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from saccade.fusion.cross import Cross, Crossing
from saccade.fusion.splice import splice
from saccade.language.hub import Decoder, pad_left
from saccade.language.prompt import Prompt
from saccade.language.seq2seq import Seq2Seq


@dataclass(frozen=True, eq=False)
class Joined:
    """``vectors`` padded on the left, which of them are ``real`` and at which ``positions``; pictures that are not
    among them are ``beside``.
    """

    vectors: Float[Tensor, "batch length width"]
    real: Bool[Tensor, "batch length"]
    positions: Int[Tensor, "batch length"]
    beside: Crossing | None


def join(
    language: Decoder | Seq2Seq,
    cross: Cross | None,
    prompts: Sequence[Prompt],
    places: Sequence[Sequence[int]],
    tokens: Sequence[Sequence[Tensor]],
    device: torch.device,
    learned: Float[Tensor, "_ width"] | None = None,
) -> Joined:
    """The prompts at these places, each with its pictures' visual tokens, and the vectors ``learned`` for some."""
    pairs = list(zip(prompts, places, strict=True))
    ids, real = pad_left([[prompt.ids[place] for place in at] for prompt, at in pairs])
    marks, _ = pad_left([[prompt.visual[place] for place in at] for prompt, at in pairs])
    positions, _ = pad_left(places)
    numbers, _ = pad_left([[prompt.vector(place) + 1 for place in at] for prompt, at in pairs])
    ids, real, marks, positions, numbers = (
        tensor.to(device) for tensor in (ids, real, marks.bool(), positions, numbers)
    )
    # A placeholder's id may lie outside the table: what stands there is overwritten.
    vectors = language.embed(ids.masked_fill(marks | (numbers > 0), 0))
    if learned is not None:
        vectors = splice(vectors, learned[numbers[numbers > 0] - 1], numbers > 0)
    if cross is None:
        flat = [picture for row in tokens for picture in row]
        visual = torch.cat([vectors.new_empty(0, vectors.shape[-1]), *flat])
        return Joined(splice(vectors, visual, marks), real, positions, None)
    looking, _ = pad_left([[prompt.looking[place] for place in at] if prompt.looking else [] for prompt, at in pairs])
    return Joined(vectors, real, positions, cross(tokens, looking.to(device)))
