"""Visual tokens that depend on the prompt: made by a connector that reads it."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.language.prompt import Prompt
from saccade.runtime.encoded import Encoded
from saccade.runtime.modules import Prompted


def prompted(
    connector: Prompted,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    encoded: Sequence[Sequence[Encoded]],
    device: torch.device,
) -> list[list[Tensor]]:
    """Visual tokens of every row's pictures, which ``connector`` makes with the row's instruction beside them.

    A picture that is asked about several times is prepared once. Raises SaccadeError for pictures of several views.
    """
    told = [prompt.instruction for prompt, row in zip(prompts, encoded, strict=True) for _ in row]
    if not told:
        return [[] for _ in encoded]
    words = tokenizer(told, padding=True, padding_side="right", return_tensors="pt").to(device)
    asked, real = words["input_ids"], words["attention_mask"].bool()
    pictures = [picture for row in encoded for picture in row]
    grids = [_grid(picture) for picture in pictures]
    made: dict[int, Tensor] = {}
    for grid in dict.fromkeys(grids):
        numbers = [number for number, other in enumerate(grids) if other == grid]
        once = list({id(pictures[number]): pictures[number] for number in numbers}.values())
        places = {id(one): place for place, one in enumerate(once)}
        of = torch.as_tensor([places[id(pictures[number])] for number in numbers], device=device)
        patches = torch.stack([one.tokens for one in once])
        tokens = connector.prompted(patches, grid, asked[numbers], real[numbers], of)
        made |= dict(zip(numbers, tokens, strict=True))
    following = iter(made[number] for number in range(len(pictures)))
    return [[next(following) for _ in row] for row in encoded]


def _grid(picture: Encoded) -> Grid:
    """The patches of the one view that ``picture`` is read as."""
    grids = picture.spec.grids(picture.layout)
    if len(grids) != 1:
        raise SaccadeError(
            f"a connector that reads the prompt reads one view a picture, got {len(grids)}; take views that make one"
        )
    return grids[0]
