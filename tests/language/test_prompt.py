import pytest

from saccade.core.errors import SaccadeError
from saccade.language.prompt import Prompt, expand
from saccade.language.tokenizer import byte_tokenizer
from saccade.specs.sequence import Marker, Tokens

WORDS = byte_tokenizer({"<image>": 257, "</s>": 256})
SPANS = [Marker((7,)), Tokens(0, 2), Marker((8, 257)), Tokens(1, 1)]


def test_placeholders_become_the_spans_of_their_pictures():
    prompt = expand(WORDS, "a<image>b<image>", [SPANS, [Tokens(0, 1)]], 257)
    assert prompt.ids == (97, 7, 257, 257, 8, 257, 257, 98, 257)
    # A marker may have the placeholder's id without being a picture's content.
    assert prompt.visual == (False, False, True, True, False, False, True, False, True)
    assert prompt.visual_tokens == 4


@pytest.mark.parametrize("text", ["a<image>", "a<image><image><image>"])
def test_refuses_other_numbers_of_placeholders(text):
    found = text.count("<image>")
    with pytest.raises(SaccadeError, match=f"holds {found} <image> placeholders but 2 pictures were given; write one"):
        expand(WORDS, text, [SPANS, SPANS], 257)


def test_refuses_an_empty_prompt():
    with pytest.raises(SaccadeError, match="the prompt is empty"):
        expand(WORDS, "", [], 257)


def test_splits_after_the_last_visual_token():
    head, tail = Prompt((1, 2, 3, 4), (False, True, True, False)).split()
    assert (head.ids, head.visual, tail) == ((1, 2, 3), (False, True, True), (4,))


def test_dropping_keeps_text_and_named_tokens():
    prompt = Prompt((1, 9, 9, 2, 9, 3), (False, True, True, False, True, False))
    assert prompt.without({0, 2}) == (0, 1, 3, 4, 5)
    assert prompt.without(set()) == (0, 3, 5)
