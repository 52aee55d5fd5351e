"""Text and pictures brought together for the language model: among its positions, or beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from saccade.connectors.foveal import Foveal
from saccade.connectors.qformer import QFormer
from saccade.core.grid import Grid
from saccade.fusion.cross import Cross, Crossing
from saccade.fusion.splice import splice
from saccade.language.hub import Decoder, pad_left
from saccade.language.prompt import Prompt
from saccade.language.seq2seq import Seq2Seq
from saccade.models.encoded import Encoded


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


def instructed(
    connector: QFormer | Foveal,
    instructor: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    encoded: Sequence[Sequence[Encoded]],
    device: torch.device,
) -> list[list[Tensor]]:
    """Visual tokens of every row's pictures, which ``connector`` makes with the row's instruction beside them."""
    told = [prompt.instruction for prompt, row in zip(prompts, encoded, strict=True) for _ in row]
    if not told:
        return [[] for _ in encoded]
    words = instructor(told, padding=True, padding_side="right", return_tensors="pt").to(device)
    pictures = [picture for row in encoded for picture in row]
    asked, real = words["input_ids"], words["attention_mask"].bool()
    if isinstance(connector, Foveal):
        once = list({id(one): one for one in pictures}.values())  # prepared once for all of its questions
        places = {id(one): place for place, one in enumerate(once)}
        of = torch.as_tensor([places[id(one)] for one in pictures], device=device)
        patches = torch.stack([one.tokens for one in once])
        tokens, _, _ = connector.instructed(patches, one_grid(pictures), asked, real, of)
    else:
        tokens = connector.instructed(torch.stack([one.tokens for one in pictures]), asked, real)
    made = iter(tokens)
    return [[next(made) for _ in row] for row in encoded]


def one_grid(pictures: Sequence[Encoded]) -> Grid:
    """The grid of pictures that are read as one view each, all of one size."""
    grids = {grid for picture in pictures for grid in picture.spec.grids(picture.layout)}
    (found,) = grids
    return found
