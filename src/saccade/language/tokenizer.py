"""A tokenizer without a vocabulary: one token a byte, and named tokens at ids of one's choice.

For readers that are built rather than loaded: it spells any text and needs no file.
"""

from collections.abc import Mapping

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from saccade.language.prompt import PLACEHOLDER


def byte_tokenizer(named: Mapping[str, int], *, end: str = "</s>") -> PreTrainedTokenizerBase:
    """Bytes at the lowest ids that ``named`` leaves free, in order; ``end`` is the name of the end marker."""
    taken = set(named.values())
    free = (number for number in range(256 + len(taken)) if number not in taken)
    vocabulary = {**dict(zip(_spelling(), free, strict=False)), **named}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in named])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token=end,
        pad_token=end,
        extra_special_tokens={"image_token": PLACEHOLDER},
        clean_up_tokenization_spaces=False,
    )


def _spelling() -> list[str]:
    """The character by which byte-level tokenizers write each byte: itself if it shows, else one from 256 on."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [chr(byte) if byte in shown else chr(256 + hidden.index(byte)) for byte in range(256)]
