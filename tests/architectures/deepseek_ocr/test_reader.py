"""DeepSeek-OCR's paths: counts, order, vectors between views, pixels."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from saccade.architectures.catalogue import system
from saccade.architectures.deepseek_ocr.reader import PRESETS, PROMPTS, deepseek_ocr2_3b, deepseek_ocr_3b, tiny, tiny_2
from saccade.architectures.deepseek_ocr.spec import MODES, pages
from saccade.backends.random_init import from_spec
from saccade.backends.store import TYPES
from saccade.core.errors import SaccadeError
from saccade.core.records.recipe import from_dict, to_dict
from saccade.core.size import Size
from saccade.runtime.encoded import Encoded, pixels_of
from saccade.runtime.reader import Reader
from saccade.specs.connectors.linear import LinearSpec
from saccade.specs.layouts.canvas import PagesSpec
from saccade.specs.layouts.sequence import WovenSequence
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.serial import SerialSpec
from tests.architectures.deepseek_ocr import small as deepseek
from tests.parts import close, picture, shake

QUESTION = "What is it?"


def shaken(spec: ReaderSpec) -> Reader:
    made = from_spec(spec)
    shake(made)
    return made


def thin(spec: ReaderSpec) -> Reader:
    """Pixels and patches as published, in a tower that is quickly run through."""
    tower = spec.tower
    assert isinstance(tower, SerialSpec)
    sam = replace(tower.sam, patch=16, depth=1, full=(), side=1024, window=14)
    second = tower.second
    if not spec.sequence.newlines:
        second = replace(second, queries=(144, 256))
    return from_spec(replace(spec, tower=SerialSpec(sam=sam, second=second)))


def read(reader: Reader, size: tuple[int, int]) -> tuple[Encoded, list[int]]:
    """A picture encoded, and its slots as the prompt holds them: the vectors' numbers, -1 for a visual token."""
    with torch.no_grad():
        (encoded,) = reader.encode([picture(*size)])
    prompt = reader.prompt("<image>?", [encoded])
    return encoded, [number for number, token in zip(prompt.vectors, prompt.ids, strict=True)
                     if token == reader.spec.image_id]  # fmt: skip


@pytest.mark.parametrize(
    ("size", "mode", "most", "visual", "slots"),
    [
        ((700, 700), "tiny", 9, 64, 73),
        ((700, 700), "small", 9, 100, 111),
        ((700, 700), "base", 9, 256, 273),
        ((700, 700), "large", 9, 400, 421),
        ((600, 400), "gundam", 9, 256, 273),
        ((700, 700), "gundam", 9, 656, 693),
        ((850, 1100), "gundam", 9, 856, 903),
        ((1920, 1080), "gundam", 9, 1056, 1093),
        ((1920, 1080), "gundam", 6, 456, 483),
        ((1000, 3000), "gundam", 9, 556, 603),
    ],
)
def test_running_it_gives_the_counts_of_the_paper(size, mode, most, visual, slots):
    reader = thin(replace(tiny(), views=pages(mode, most)))
    encoded, held = read(reader, size)
    plan = reader.plan(Size(*size), QUESTION)
    assert (encoded.count, len(held)) == (plan.visual_tokens, plan.slots) == (visual, slots)
    assert len(encoded.tokens) == len(encoded.ledger) == visual
    assert held.count(-1) == visual


@pytest.mark.parametrize(("size", "slots"), [((600, 400), 257), ((1024, 1024), 833), ((1920, 1080), 545)])
def test_running_ocr_2_gives_its_positions(size, slots):
    reader = thin(replace(tiny_2(), views=deepseek_ocr2_3b().views))
    encoded, held = read(reader, size)
    assert len(held) == reader.plan(Size(*size), QUESTION).slots == slots == encoded.count + 1
    assert held == [-1] * encoded.count + [0]


@pytest.mark.parametrize("size", [(30, 20), (60, 40), (40, 130), (64, 64), (200, 40)], ids=str)
@torch.no_grad()
def test_tiles_are_woven_into_one_map(size):
    reader = shaken(tiny())
    image = picture(*size)
    (encoded,) = reader.encode([image])
    layout = encoded.layout
    alone = [reader.connector(tokens, grid) for tokens, grid in by_view(reader, image)]
    separator, newline = reader.connector.vectors
    grid = layout.slices
    weights = {"model.image_newline": newline, "model.view_seperator": separator}
    woven = deepseek.woven(weights, [one[0] for one in alone], *((grid.rows, grid.cols) if grid else (0, 0)))
    prompt = reader.prompt("a<image>b", [encoded])
    made = reader._whole([prompt], [[encoded]]).vectors[0]
    close(made[1:-1], woven)
    assert made[[0, -1]].equal(reader.language.embed(torch.tensor([[prompt.ids[0], prompt.ids[-1]]]))[0])


def by_view(reader: Reader, image: Image.Image):
    """Each view's patches by itself, and their grid."""
    layout = reader.layout(image)
    for pixels, grid in zip(pixels_of(reader.spec, image, layout), reader.spec.grids(layout), strict=True):
        values = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        yield reader.tower((values - 0.5) / 0.5), grid


@pytest.mark.parametrize("size", [(60, 40), (40, 130), (64, 64)], ids=str)
def test_the_ledger_follows_the_weaving(size):
    reader = from_spec(tiny())
    encoded, held = read(reader, size)
    layout, ledger = encoded.layout, encoded.ledger
    assert layout.slices is not None
    numbers = iter(range(10_000))
    views = [torch.tensor([[next(numbers)] for _ in range(grid.tokens)]) for grid in reader.spec.grids(layout)]
    mark = {"model.image_newline": torch.tensor([-2]), "model.view_seperator": torch.tensor([-1])}
    woven = deepseek.woven(mark, views, layout.slices.rows, layout.slices.cols)[:, 0].tolist()
    assert [group.tolist() for group in ledger.groups] == [[number] for number in woven if number >= 0]
    assert [{-2: 1, -1: 0}.get(number, -1) for number in woven] == held
    # A row of the woven map reaches from the picture's left edge to its right one.
    across = 2 * layout.slices.cols
    row = [ledger.bounds(token) for token in range(across)]
    assert (row[0].left, row[-1].right) == (0, size[0])
    assert all(before.right == pytest.approx(after.left) for before, after in pairwise(row))


@torch.no_grad()
def test_a_change_of_the_picture_changes_the_token_that_the_ledger_names():
    reader = shaken(tiny())
    image = picture(64, 64)
    (before,) = reader.encode([image])
    changed = np.array(image)
    changed[34:46, 50:62] = 255 - changed[34:46, 50:62]
    (after,) = reader.encode([Image.fromarray(changed)])
    moved = ((after.tokens - before.tokens).abs() > 1e-6).any(1)
    bounds = [before.ledger.bounds(token) for token in range(len(moved))]
    tiles = len(moved) - 9  # the whole changes everywhere
    inside = [bound.left >= 32 and bound.top >= 32 for bound in bounds[:tiles]]
    assert sum(inside) == 4
    assert moved[:tiles].tolist() == inside
    assert moved[tiles:].any()


def test_dropped_tokens_leave_the_vectors_where_they_are():
    reader = from_spec(tiny())
    encoded, _ = read(reader, (60, 40))
    prompt = reader.prompt("<image>?", [encoded])
    left = prompt.without({0, 5})
    assert sum(prompt.visual[place] for place in left) == 2
    assert [prompt.vectors[place] for place in left if prompt.vectors[place] >= 0] == [1] * 7 + [0]
    head, tail = prompt.split()
    assert (head.vectors[-1], len(tail)) == (0, 1)
    assert head.then(tail) == prompt


@pytest.mark.parametrize("make", [tiny, tiny_2])
def test_answers_go_on_where_scores_point(make):
    reader = shaken(make())
    images, most = [picture(60, 40), picture(30, 20)], 4
    with torch.no_grad():
        encoded = reader.encode(images)
    answers = reader.ask(encoded, [[QUESTION, "a"], [QUESTION]], max_tokens=most)
    for image, asked, found in zip(images, [[QUESTION, "a"], [QUESTION]], answers, strict=True):
        for question, answer in zip(asked, found, strict=True):
            (one,) = reader.encode([image])
            prompt, written = reader.prompt(f"<image>\n{question}", [one]), []
            for _ in range(most):
                with torch.no_grad():
                    written.append(int(reader.scores([prompt.then(written)], [[one]])[0][-1].argmax()))
                if written[-1] in reader.spec.language.ends:
                    break
            assert list(answer.tokens) == written


@pytest.mark.parametrize("make", [tiny, tiny_2])
def test_every_weight_gets_a_gradient(make):
    reader = shaken(make())
    reader.loss([[picture(60, 40)]], ["<image>" + "".join(map(chr, range(1, 128)))], ["abcdefgh"]).backward()
    lacking = [name for name, weight in reader.named_parameters() if weight.grad is None or not bool(weight.grad.any())]
    # Sets of queries for views of other sizes, and experts that no position was sent to.
    assert not [name for name in lacking if ".experts." not in name]


@pytest.mark.parametrize("size", [(700, 500), (501, 703), (997, 1000), (64, 61), (1000, 10)], ids=str)
def test_the_whole_is_padded_as_pillow_does(size):
    reader_spec, image = replace(tiny(), views=pages("base")), picture(*size)
    layout = reader_spec.views.layout(Size(*size))
    (pixels,) = pixels_of(reader_spec, image, layout)
    assert np.array_equal(pixels, np.asarray(ImageOps.pad(image, (1024, 1024), color=(127, 127, 127))))


def test_tiles_are_cut_from_the_resized_picture():
    reader_spec, image = replace(tiny(), views=pages("gundam")), picture(850, 1100)
    layout = reader_spec.views.layout(Size(850, 1100))
    *tiles, _ = pixels_of(reader_spec, image, layout)
    resized = np.asarray(image.resize((1280, 1920)))
    for number, tile in enumerate(tiles):
        row, col = divmod(number, 2)
        assert np.array_equal(tile, resized[640 * row : 640 * (row + 1), 640 * col : 640 * (col + 1)])


@pytest.mark.parametrize("make", PRESETS.values())
def test_a_spec_is_written_and_read(make):
    spec = make()
    assert from_dict(to_dict(spec, TYPES), TYPES) == spec


@pytest.mark.parametrize(("name", "make"), [("deepseek-ocr", deepseek_ocr_3b), ("deepseek-ocr-2", deepseek_ocr2_3b)])
def test_the_presets_cost_what_is_planned_for_the_checkpoint(name, make):
    size, spec = Size(1240, 1754), make()
    planned, found = system(name).plan([size], text=10), spec.plan(size, 10)
    assert (planned.visual_tokens, planned.slots) == (found.visual_tokens, found.slots)
    assert (planned.vision.flops, planned.language) == (found.vision.flops, found.language)
    assert planned.connector == found.connector
    # CLIP's own patches are in the file and never run, so they are not loaded.
    unused = planned.vision.params - found.vision.params
    assert unused == (3 * 14**2 * 1024 if name == "deepseek-ocr" else 0)


def test_modes_and_prompts():
    assert [pages(mode).base for mode in MODES] == [512, 640, 1024, 1280, 1024, 1280]
    assert all("<image>" not in prompt for prompt in PROMPTS.values())
    with pytest.raises(SaccadeError, match="unknown mode 'gundum'"):
        pages("gundum")


def test_refuses_what_does_not_fit():
    spec = tiny()
    for wrong, message in (
        ({"connector": replace(spec.connector, vectors=1)}, "holds 1 learned vectors, the sequence places 2"),
        ({"sequence": WovenSequence(newlines=False)}, "holds 2 learned vectors, the sequence places 1"),
    ):
        with pytest.raises(SaccadeError, match=message):
            replace(spec, **wrong)
    with pytest.raises(SaccadeError, match="no square of a multiple of 16 px"):
        replace(spec, views=PagesSpec(base=40)).grids(PagesSpec(base=40).layout(Size(30, 30)))
    with pytest.raises(SaccadeError, match="makes 25 tokens, queries were learned for 4 and 9"):
        replace(tiny_2(), views=PagesSpec(base=80)).grids(PagesSpec(base=80).layout(Size(30, 30)))
    with pytest.raises(SaccadeError, match="equal squares"):
        WovenSequence().spans(PagesSpec(base=48, tile=32).layout(Size(60, 40)), [4] * 5 + [8, 9])
    assert isinstance(spec.connector, LinearSpec)
