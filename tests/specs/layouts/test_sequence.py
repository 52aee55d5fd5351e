"""Runs of slots: LLaVA-UHD's table, Idefics3's own processor, and what is refused."""

from functools import cache

import pytest
import torch
from transformers import Idefics3ImageProcessorPil, Idefics3Processor

from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.core.view import Layout
from saccade.language.prompt import expand
from saccade.specs.layouts.resize import StretchSpec
from saccade.specs.layouts.sequence import Marker, PlainSequence, SeparatedSequence, TaggedSequence, Tokens, slots
from saccade.specs.layouts.slices import EccvSliceSpec
from saccade.specs.layouts.tiles import TileSpec
from tests.architectures.llava.folders import tokenizer
from tests.parts import picture

TABLE = [
    # width, height, slices, positions with 144 and with 64 tokens a view
    (336, 336, 0, 144, 64),
    (500, 333, 2, 434, 194),
    (640, 480, 4, 724, 324),
    (672, 672, 4, 724, 324),
    (1008, 672, 6, 1014, 454),
    (1024, 1024, 6, 1014, 454),
    (1920, 1080, 6, 1014, 454),
    (1000, 200, 3, 579, 259),
    (2000, 300, 7, 1159, 519),
]
SEPARATED = SeparatedSequence(comma=7, newline=8)


@pytest.mark.parametrize(("width", "height", "slices", "long", "short"), TABLE)
def test_separated_positions_are_those_of_the_published_model(width, height, slices, long, short):
    layout = EccvSliceSpec(side=336, patch=14).layout(Size(width, height))
    for tokens, positions in ((144, long), (64, short)):
        spans = SEPARATED.spans(layout, [tokens] * len(layout.views))
        assert slots(spans) == positions
        assert sum(span.count for span in spans if isinstance(span, Tokens)) == tokens * (slices + 1)


def test_separators_stand_after_slices_and_the_overview_last():
    layout = EccvSliceSpec(side=336, patch=14).layout(Size(1008, 672))  # 3 columns, 2 rows
    spans = SEPARATED.spans(layout, [5] * 7)
    comma, newline = Marker((7,)), Marker((8,))
    row = [comma, comma, newline]
    expected = [part for number in range(6) for part in (Tokens(number, 5), row[number % 3])]
    assert list(spans) == [*expected, Tokens(6, 5)]


def test_plain_views_follow_each_other():
    layout = StretchSpec(size=Size(8, 8)).layout(Size(3, 3))
    assert PlainSequence().spans(layout, [4]) == (Tokens(0, 4),)


TAGS = ["<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
PLACES = [f"<row_{row}_col_{col}>" for row in range(1, 5) for col in range(1, 5)]


@cache
def idefics(merges_newlines: bool) -> tuple[Idefics3Processor, TaggedSequence]:
    """Their processor on tiles of 8 px, 2 × 2 tokens each, and our sequence with the ids of its tokenizer."""
    names = [*TAGS, *PLACES, *(["\n\n"] if merges_newlines else [])]
    words = tokenizer(names)
    images = Idefics3ImageProcessorPil(size={"longest_edge": 32}, max_image_size={"longest_edge": 8})
    processor = Idefics3Processor(images, words, image_seq_len=4)
    ids = words.convert_tokens_to_ids
    newline = tuple(words("\n", add_special_tokens=False)["input_ids"])
    return processor, TaggedSequence(
        edge=ids(TAGS[0]),
        whole=ids(TAGS[1]),
        newline=newline,
        gap=(ids("\n\n"),) if merges_newlines else newline * 2,
        places=tuple(tuple(ids(name) for name in PLACES[row : row + 4]) for row in range(0, 16, 4)),
    )


@pytest.mark.parametrize("merges", [False, True], ids=["two newlines", "one double newline"])
@pytest.mark.parametrize("size", [(32, 32), (64, 24), (20, 50), (100, 12), (9, 7)], ids=str)
def test_tags_are_those_of_the_idefics3_processor(merges, size):
    processor, sequence = idefics(merges)
    text = "User: <image>what is it?\nAssistant:"
    theirs = processor(images=picture(*size), text=text)["input_ids"][0]
    layout = TileSpec(tile=8, longest_edge=32).layout(Size(*size))
    spans = sequence.spans(layout, [4] * len(layout.views))
    words = processor.tokenizer
    image = words.convert_tokens_to_ids("<image>")
    ours = expand(words, text, [spans], image)
    assert list(ours.ids) == torch.tensor(theirs).flatten().tolist()
    assert [place for place, mark in enumerate(ours.visual) if mark] == [
        place for place, token in enumerate(ours.ids) if token == image
    ]


def test_an_unsplit_picture_has_the_global_view_alone():
    processor, sequence = idefics(False)
    layout = StretchSpec(size=Size(8, 8)).layout(Size(30, 20))
    text = "<image>what is it?"
    processor.image_processor.do_image_splitting = False
    theirs = processor(images=picture(30, 20), text=text)["input_ids"][0]
    processor.image_processor.do_image_splitting = True
    image = processor.tokenizer.convert_tokens_to_ids("<image>")
    ours = expand(processor.tokenizer, text, [sequence.spans(layout, [4])], image)
    assert list(ours.ids) == torch.tensor(theirs).flatten().tolist()


def test_slots_of_tags_follow_the_law():
    _, sequence = idefics(False)
    for size in [(32, 32), (64, 24), (20, 50)]:
        layout = TileSpec(tile=8, longest_edge=32).layout(Size(*size))
        grid = layout.slices
        assert grid is not None
        spans = sequence.spans(layout, [4] * len(layout.views))
        assert slots(spans) == grid.tokens * (4 + 2) + grid.rows + (4 + 3) + (len(sequence.gap) - 1)


@pytest.mark.parametrize(
    "sequence", [PlainSequence(), SEPARATED, idefics(False)[1]], ids=lambda one: type(one).__name__
)
def test_refuses_counts_of_other_views(sequence):
    layout = TileSpec(tile=8, longest_edge=16).layout(Size(16, 16))
    with pytest.raises(SaccadeError, match="the layout has 5 views but 2 token counts were given"):
        sequence.spans(layout, [4, 4])


def test_refuses_places_without_a_marker():
    layout: Layout = TileSpec(tile=8, longest_edge=64).layout(Size(64, 8))
    with pytest.raises(SaccadeError, match="markers for 4 rows of tiles, the picture needs row 1, column 5"):
        idefics(False)[1].spans(layout, [4] * len(layout.views))
