"""A byte-level tokenizer made on the spot: nothing is downloaded, and every special token is one id."""

from collections.abc import Mapping, Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

WORDS = ("\n\n", "Describe", " the", " image", "user")
"""What the released tokenizers that matter here hold as one id: two line breaks, the words of the page prompts."""


def tokenizer(named: Mapping[str, str], more: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """``named`` tokens become attributes (``image_token`` …), ``more`` are special and have no name."""
    alphabet = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    vocabulary = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        ((spelled, _),) = alphabet.pre_tokenize_str(word)
        for end in range(1, len(spelled)):
            if spelled[: end + 1] not in vocabulary:
                merges.append((spelled[:end], spelled[end]))
                vocabulary[spelled[: end + 1]] = len(vocabulary)
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    special = [AddedToken(name, special=True, normalized=False) for name in (*named.values(), *more)]
    inner.add_special_tokens(special)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens=dict(named),
    )
