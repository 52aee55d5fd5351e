"""Texts as bytes, as Perceiver IO's language model reads them: no vocabulary is learned.

Source: Perceiver IO, arXiv:2107.14795, section 4.1; ids and the markers around a text as in transformers' tokenizer.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from saccade.architectures.perceiver.io_spec import MaskedSpec


def spelt(texts: Sequence[str], spec: MaskedSpec) -> Int[Tensor, "texts length"]:
    """Each text's UTF-8 between its markers, filled up behind to the longest."""
    rows = [torch.tensor([spec.cls, *(byte + spec.first for byte in text.encode()), spec.sep]) for text in texts]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=spec.pad)


def real_of(ids: Int[Tensor, "texts length"], spec: MaskedSpec) -> Bool[Tensor, "texts length"]:
    """What is no padding."""
    return ids != spec.pad


def read_back(ids: Int[Tensor, " length"], spec: MaskedSpec) -> str:
    """The text of ids, special ones left out; bytes that are no UTF-8 become replacement characters."""
    return bytes(one - spec.first for one in ids.tolist() if one >= spec.first).decode(errors="replace")
