"""Yes or no, from the scores of what comes first."""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from saccade.core.errors import SaccadeError


def chance_of_yes(
    tokenizer: PreTrainedTokenizerBase, scores: Float[Tensor, "batch vocabulary"]
) -> Float[Tensor, " batch"]:
    """How likely yes is against no: the mass of every token that spells the one, out of both.

    Raises SaccadeError for a tokenizer that has no token for one of them.
    """
    yes, no = _spelt(tokenizer, "yes"), _spelt(tokenizer, "no")
    chances = scores.float().log_softmax(dim=-1)
    return torch.sigmoid(chances[:, list(yes)].logsumexp(dim=-1) - chances[:, list(no)].logsumexp(dim=-1))


@lru_cache(64)
def _spelt(tokenizer: PreTrainedTokenizerBase, word: str) -> tuple[int, ...]:
    """Tokens that are ``word`` in any case, with or without a space before it."""
    spellings = {variant for form in (word, word.capitalize(), word.upper()) for variant in (form, f" {form}")}
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in sorted(spellings)]
    found = {int(row[-1]) for row in ids if row and str(tokenizer.decode(row[-1:])).strip().lower() == word}
    if not found:
        raise SaccadeError(f"this tokenizer has no token that says {word!r}, so yes is not weighed against no with it")
    return tuple(sorted(found))
