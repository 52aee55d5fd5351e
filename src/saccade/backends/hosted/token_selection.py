"""Reading some visual tokens and not others: shortened outputs of the tower, at the positions that they had.

Law     what is kept stands where it stood, so that the model reads as if the others were masked in every layer.
Source  the argument of transformers that takes a tower's outputs instead of pixels (``compat.hf``); positions as the
        model counts them over the whole prompt, cut afterwards.
Loses   in Gemma 3 more than the tokens: its windows count what is there, so that dropping tokens inside a window lets
        it reach further back than a mask would. Where the prompt is no longer than the window, nothing differs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from saccade.backends.hosted.families import KINDS, PROVED, proved
from saccade.backends.hosted.images import HostedImage
from saccade.backends.hosted.shared_prefix import HostedPrefix
from saccade.compat.hf import cache_argument, image_argument, rope_positions
from saccade.language.hub import pad_left
from saccade.language.prompt import Prompt
from saccade.runtime.encoded import Kept, in_order


@dataclass(frozen=True, eq=False, slots=True)
class HostedPrompt:
    """A prompt with its pictures; ``keep`` names the tokens of each that are read, None for all of all."""

    prompt: Prompt
    pictures: tuple[HostedImage, ...] = ()
    keep: tuple[Kept, ...] | None = None

    @property
    def kept(self) -> list[list[int]]:
        """Numbers of the tokens of each picture that are read, in order. Raises SaccadeError for those it has not."""
        if self.keep is None:
            return [list(range(picture.count)) for picture in self.pictures]
        return [in_order(numbers, picture.count) for numbers, picture in zip(self.keep, self.pictures, strict=True)]

    @property
    def places(self) -> tuple[int, ...]:
        """Positions of the prompt that are read."""
        numbers, first = set[int](), 0
        for kept, picture in zip(self.kept, self.pictures, strict=True):
            numbers |= {first + number for number in kept}
            first += picture.count
        return self.prompt.without(numbers)


def positions(model: PreTrainedModel, row: HostedPrompt) -> Int[Tensor, "axes length"]:
    """Where every token of the whole prompt stands."""
    length = len(row.prompt.ids)
    if KINDS[model.config.model_type].axes == 1:
        return torch.arange(length)[None]
    grids = [picture.grid for picture in row.pictures if picture.grid is not None]
    return rope_positions(model, row.prompt.ids, row.prompt.visual, torch.cat(grids).cpu() if grids else None)


def read(model: PreTrainedModel, rows: Sequence[HostedPrompt]) -> HostedPrefix:
    """Prefill: rows padded on the left. All show pictures, or none does."""
    kind = KINDS[model.config.model_type]
    if any(row.keep is not None for row in rows):
        proved("reading some visual tokens and not others", model.config.model_type, PROVED["token selection"])
    places = [row.places for row in rows]
    ids, real = pad_left([[row.prompt.ids[place] for place in kept] for row, kept in zip(rows, places, strict=True)])
    stood = [positions(model, row) for row in rows]
    at = torch.zeros(kind.axes, *ids.shape, dtype=torch.long)
    types = torch.zeros_like(ids)
    for number, (row, kept) in enumerate(zip(rows, places, strict=True)):
        start = ids.shape[1] - len(kept)
        at[:, number, start:] = stood[number][:, list(kept)]
        types[number, start:] = torch.tensor([row.prompt.visual[place] for place in kept]).long()
    told: dict[str, Any] = {"token_type_ids": types} if kind.blocks else {}
    if rows[0].pictures:
        told |= _outputs(model, rows)
    cache = DynamicCache(config=model.config.get_text_config())
    device = model.device
    model(
        input_ids=ids.to(device),
        attention_mask=real.long().to(device),
        position_ids=(at[0] if kind.axes == 1 else at).to(device),
        use_cache=True,
        logits_to_keep=1,
        **cache_argument(model, cache),
        **{name: value.to(device) if isinstance(value, Tensor) else value for name, value in told.items()},
    )
    following = torch.tensor([int(one.max()) + 1 for one in stood])
    return HostedPrefix(model, cache, real.to(device), following.to(device), kind.axes)


def _outputs(model: PreTrainedModel, rows: Sequence[HostedPrompt]) -> dict[str, object]:
    """What the tower would have put out, had it seen what is kept alone: all rows' tokens in a row."""
    seen = [pair for row in rows for pair in zip(row.pictures, row.kept, strict=True)]
    tokens = torch.cat([picture.tokens[kept] for picture, kept in seen]).to(model.device)
    layers = [torch.cat([picture.deep[layer][kept] for picture, kept in seen]) for layer in range(len(seen[0][0].deep))]
    listed = KINDS[model.config.model_type].listed
    return image_argument([tokens] if listed else tokens[None], [[layer.to(model.device)] for layer in layers])
