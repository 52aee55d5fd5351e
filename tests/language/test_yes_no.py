import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Prepend
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

from saccade.core.errors import SaccadeError
from saccade.language.yes_no import chance_of_yes


def words(*spelt: str) -> PreTrainedTokenizerFast:
    """Every spelling is one token, in this order; anything else is the last."""
    table = {word: place for place, word in enumerate((*spelt, "[UNK]"))}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(table, unk_token="[UNK]")), unk_token="[UNK]")


def test_yes_is_weighed_against_no_by_all_spellings() -> None:
    tokenizer = words("yes", "Yes", " Yes", "no", "No")
    scores = torch.tensor([[0.1, 0.2, 0.1, 0.15, 0.05, 0.4], [0.0001, 0.1, 0.0001, 0.3, 0.5, 0.1]]).log()
    assert chance_of_yes(tokenizer, scores).tolist() == pytest.approx([2 / 3, 0.1002 / 0.9002])
    assert chance_of_yes(tokenizer, scores + 7).tolist() == pytest.approx([2 / 3, 0.1002 / 0.9002])


def test_shouted_words_count_as_well() -> None:
    tokenizer = words("yes", "YES", "no", " NO")
    scores = torch.tensor([[0.1, 0.5, 0.1, 0.2, 0.1]]).log()
    assert chance_of_yes(tokenizer, scores).item() == pytest.approx(0.6 / 0.9)


def test_a_word_behind_a_space_of_its_own_is_its_last_token() -> None:
    tokenizer = words(" ", "yes", "no")
    tokenizer.backend_tokenizer.normalizer = Prepend(" ")
    tokenizer.backend_tokenizer.pre_tokenizer = Split(" ", "isolated")
    assert chance_of_yes(tokenizer, torch.tensor([[0.4, 0.3, 0.1, 0.2]]).log()).item() == pytest.approx(0.75)


def test_a_tokenizer_without_the_word_is_refused() -> None:
    with pytest.raises(SaccadeError, match="no token that says 'no'"):
        chance_of_yes(words("yes"), torch.zeros(1, 2))
