import pytest
from tokenizers import processors

from saccade.core.errors import SaccadeError
from saccade.language.prompt import Prompt, expand
from saccade.language.tokenizer import byte_tokenizer
from saccade.specs.layouts.sequence import ImageCall, Marker, Tokens

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


def called(around: tuple[int, ...] = (5,)) -> list[Marker | ImageCall]:
    edge = [Marker(around, shared=True)] if around else []
    return [*edge, ImageCall(257), *edge]


def test_called_pictures_are_looked_at_from_their_place_on():
    prompt = expand(WORDS, "a<image>b<image>", [called(()), called(())], 257)
    assert prompt.ids == (97, 257, 98, 257)
    assert prompt.looking == (-1, 0, 0, 1)
    assert not any(prompt.visual)
    head, tail = prompt.then((7, 8)).split()
    assert (head.ids, head.looking, tail) == (prompt.ids, prompt.looking, (7, 8))


@pytest.mark.parametrize(
    ("text", "ids", "looking"),
    [
        ("<image><image>b", (5, 257, 5, 257, 5, 98), (-1, 0, 0, 1, 1, 1)),  # neighbours share the one between them
        ("\x05<image>\x05<image>", (5, 257, 5, 257, 5), (-1, 0, 0, 1, 1)),  # what is written already is not doubled
        ("<image>b<image>", (5, 257, 5, 98, 5, 257, 5), (-1, 0, 0, 0, 0, 1, 1)),
    ],
)
def test_shared_markers_stand_once(text, ids, looking):
    prompt = expand(WORDS, text, [called(), called()], 257)
    assert (prompt.ids, prompt.looking) == (ids, looking)


def test_after_a_reset_nothing_is_looked_at_until_the_next_picture():
    prompt = expand(WORDS, "<image>a</s>b<image>c", [called(()), called(())], 257, reset=256)
    assert prompt.looking == (0, 0, 0, -1, 1, 1)
    head, tail = expand(WORDS, "<image>a</s>bc", [called(())], 257, reset=256).split()
    assert (head.ids, head.looking, tail) == ((257, 97, 256, 98), (0, 0, 0, -1), (99,))
    with pytest.raises(SaccadeError, match="last of 4 tokens is the first behind a picture or the end of a document"):
        expand(WORDS, "<image>a</s>b", [called(())], 257, reset=256).split()


def test_text_without_pictures_looks_at_none():
    assert expand(WORDS, "ab", [], 257).looking == ()


def test_an_opening_is_spelt_and_text_between_pictures_trimmed():
    prompt = expand(WORDS, " a <image> b ", [called(())], 257, opening="</s>")
    assert prompt.ids == (256, 97, 257, 98)


def opened(text: str, count: int) -> Prompt:
    bos = byte_tokenizer({"<image>": 257, "</s>": 256})
    bos.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> $A", special_tokens=[("</s>", 256)]
    )
    return expand(bos, text, [[Tokens(0, 2)]] * count, 257, front=True)


def test_pictures_in_front_stand_before_what_the_tokenizer_adds():
    assert opened("<image>a", 1).ids == (257, 257, 256, 97)
    assert opened("<image><image>a", 2).ids == (257, 257, 257, 257, 256, 97)
    with pytest.raises(SaccadeError, match="reads its 1 pictures before all text; put every <image> at the prompt's"):
        opened("a<image>", 1)
    with pytest.raises(SaccadeError, match="holds 1 <image> placeholders but 2 pictures"):
        opened("<image>a", 2)
