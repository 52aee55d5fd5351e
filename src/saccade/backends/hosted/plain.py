"""Any other model that reads pictures: one prompt at a time, through its own processor and its own ``generate``.

Law     what the library gives, and nothing of what is inside: no tokens, no maps, no prefix that is shared.
Used by families that are not in ``families.KINDS``.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor
from transformers import PreTrainedModel

from saccade.backends.hosted.prompts import Prompts
from saccade.core.answer import Answer
from saccade.core.errors import SaccadeError


def generated(
    model: PreTrainedModel,
    processor: Any,  # noqa: ANN401 (the library's base class says nothing of what is taken here)
    prompts: Prompts,
    text: str,
    images: Sequence[Image.Image],
    max_tokens: int,
    top: int,
) -> tuple[Answer, Tensor, Tensor]:
    """A greedy answer, the scores of its first place, and the prompt's ids."""
    places = text.count(prompts.place)
    if places != len(images):
        raise SaccadeError(
            f"the chat template leaves {places} places for {len(images)} pictures; show as many as it takes, and keep "
            f"{prompts.place} out of the text"
        )
    inputs = processor(
        text=[text], images=list(images) or None, return_tensors="pt", add_special_tokens=prompts.adds(text)
    ).to(model.device, model.dtype)
    out = cast(Any, model).generate(
        **inputs, max_new_tokens=max_tokens, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    logits = torch.cat(list(out.logits)).float()
    if bool(logits.isnan().any()):
        raise SaccadeError(
            f"{type(model).__name__} gives scores that are no numbers; run it in float32 or bfloat16, and check its "
            "weights"
        )
    ids = [int(token) for token in out.sequences[0, -len(logits) :]]
    chances = logits.log_softmax(dim=-1)
    best = [pair.tolist() for pair in chances.topk(min(top, chances.shape[-1]), dim=-1)]
    ends = prompts.ends(model)
    others = tuple(
        tuple((prompts.decode([id_]), value) for value, id_ in zip(values, names, strict=True))
        for values, names in zip(*best, strict=True)
    )
    taken = tuple(float(row[id_]) for row, id_ in zip(chances, ids, strict=True))
    said = prompts.decode([id_ for id_ in ids if id_ not in ends])
    return Answer(said, tuple(ids), taken, others if top else ()), logits[:1], inputs["input_ids"][0]
