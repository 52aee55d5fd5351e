"""``saccade.plan`` against what transformers counts: tokens, slots, view sizes and refusals.

A sample of sizes by default; all of them with SACCADE_EXACT=1 in the environment.
"""

import os
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import pytest

import saccade
from saccade.core.errors import SaccadeError
from tests.exact.processors import Halves, theirs
from tests.exact.reader import Heavy, Refused, Seen
from tests.exact.sizes import EXTREMES, Size, random_sizes, small_sizes
from tests.exact.videos import video

FULL = os.environ.get("SACCADE_EXACT") == "1"
WITHOUT_PIXELS, WITH_PIXELS = (1000, 60) if FULL else (60, 4)

CASES: Sequence[tuple[str, Mapping[str, int | bool]]] = (
    ("llava-1.5-7b", {}),
    ("blip2-opt-2.7b", {}),
    ("instructblip-7b", {}),
    ("idefics-9b", {}),
    ("idefics2-8b", {}),
    ("idefics2-8b", {"split": False}),
    ("idefics2-8b", {"longest_edge": 490}),
    ("idefics3-8b", {}),
    ("idefics3-8b", {"split": False}),
    ("idefics3-8b", {"longest_edge": 728}),
    ("idefics3-8b", {"longest_edge": 1000}),  # no whole number of tiles
    ("smolvlm-256m", {}),
    ("smolvlm-2.2b", {}),
    ("smolvlm-2.2b", {"split": False}),
    ("deepseek-ocr-2", {}),
    ("deepseek-ocr-2", {"crop": False}),
    ("deepseek-ocr-2", {"max_tiles": 4}),
    ("qwen2.5-vl-7b", {}),
    ("qwen2.5-vl-7b", {"min_pixels": 256 * 784, "max_pixels": 1280 * 784}),
    ("qwen3-vl-8b", {}),
    ("qwen3-vl-8b", {"max_pixels": 1024 * 1024}),
    ("gemma-3-4b", {}),
    ("gemma-3-4b", {"pan_scan": True}),
    ("gemma-3-4b", {"pan_scan": True, "max_crops": 3}),
    ("paligemma-3b-448", {}),
    ("kimi-k2.5", {}),
    ("kimi-k2.5", {"max_patches": 4096}),
    ("ovis2-8b", {}),
    ("ovis2-8b", {"max_tiles": 4}),
    ("ovis2-8b", {"max_tiles": 1}),
    ("internvl3-8b", {}),
    ("internvl3-8b", {"max_tiles": 6}),
    ("internvl3-8b", {"max_tiles": 1}),
    ("colpali-v1.3", {}),
    ("colqwen2-v1.0", {}),
    ("clip-vit-l-14-336", {}),
    ("align-base", {}),
    ("perceiver-fourier", {}),
)
COUNTERLESS = (
    "blip2-opt-2.7b", "instructblip-7b", "idefics-9b", "idefics2-8b", "ovis2-8b",
    "clip-vit-l-14-336", "align-base", "perceiver-fourier",
)  # fmt: skip
FILMED = ("qwen2.5-vl-7b", "qwen3-vl-8b", "smolvlm-2.2b", "kimi-k2.5")


def _each(cases: Sequence[tuple[str, Mapping[str, int | bool]]]) -> pytest.MarkDecorator:
    names = [" ".join([name, *(f"{key}={value}" for key, value in options.items())]) for name, options in cases]
    return pytest.mark.parametrize(("name", "options"), cases, ids=names)


each_case = _each(CASES)


def ours(name: str, size: Size, **options: Any) -> Seen:
    plan = saccade.plan(name, width=size[0], height=size[1], **options)
    views = sorted((view.size.width, view.size.height) for view in plan.views)
    return Seen(plan.visual_tokens, plan.slots, tuple(views))


def answer(ask: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """What comes back; a refusal is an answer, whatever its words."""
    try:
        return ask(*given, **options)
    except (Refused, SaccadeError):
        return "refused"


def told(found: object) -> object:
    """Short enough to read a hundred of them."""
    if isinstance(found, Seen):
        kinds = sorted(set(found.view_sizes))
        return f"{found.visual_tokens} tokens, {found.slots} slots, {len(found.view_sizes)} views of {kinds}"
    return found


def differences(asked: Sequence[Any], one: Callable[[Any], Any], other: Callable[[Any], Any]) -> list[str]:
    """Where two ways to count disagree."""
    found: list[str] = []
    for each in asked:
        first, second = answer(one, each), answer(other, each)
        if first != second:
            found.append(f"{each}: theirs {told(first)}; ours {told(second)}")
    return found


def check(found: list[str], of: int) -> None:
    assert not found, "\n".join([f"{len(found)} of {of} differ", *found[: 200 if FULL else 12]])


def sample(number: int) -> list[Size]:
    """Small sizes; every case gets other ones, and other extremes, unless all are asked for."""
    if FULL:
        return [*small_sizes(WITH_PIXELS), *EXTREMES]
    return [*small_sizes(WITH_PIXELS, number), EXTREMES[number % 10], EXTREMES[(number + 5) % 10]]


@each_case
def test_counts_without_pixels(name: str, options: Mapping[str, int | bool]):
    sizes = [*random_sizes(WITHOUT_PIXELS, seed=0 if FULL else CASES.index((name, options))), *EXTREMES]
    check(differences(sizes, theirs(name, **options).count, lambda size: ours(name, size, **options)), len(sizes))


@each_case
def test_whole_processors_on_pictures(name: str, options: Mapping[str, int | bool]):
    reader = theirs(name, **options)

    @cache
    def expanded(size: Size) -> Seen:
        return reader.expand(size)

    sizes = [size for size in sample(CASES.index((name, options))) if answer(_unless_heavy, expanded, size) != "heavy"]
    assert len(sizes) >= WITH_PIXELS - 1
    check(differences(sizes, expanded, reader.count), len(sizes))  # the other test's oracle is right
    check(differences(sizes, expanded, lambda size: ours(name, size, **options)), len(sizes))


def _unless_heavy(ask: Callable[..., Any], *given: Any) -> Any:
    try:
        return ask(*given)
    except Heavy:
        return "heavy"


@_each([case for case in CASES if case[0] not in COUNTERLESS])
def test_their_counters_for_servers(name: str, options: Mapping[str, int | bool]):
    """Theirs against theirs: which of their counters can be trusted, and the three that cannot.

    Idefics3's goes wrong only where the longest edge is no whole number of tiles, which no released file has.
    """
    reader = theirs(name, **options)
    sizes = [*random_sizes(WITHOUT_PIXELS if FULL else 25), *EXTREMES, (57, 83)]
    found = differences(sizes, reader.counter, lambda size: getattr(reader.count(size), reader.kind.counter))
    wrong = "pan_scan" in options or options in ({"crop": False}, {"longest_edge": 1000})
    assert bool(found) is wrong, found[:5]


def test_gemma_counter_forgets_crops():
    reader = theirs("gemma-3-4b", pan_scan=True)
    assert (reader.counter((1920, 1080)), reader.count((1920, 1080)).visual_tokens) == (256, 768)
    assert ours("gemma-3-4b", (1920, 1080), pan_scan=True).visual_tokens == 768
    assert saccade.plan("gemma-3-4b", width=1920, height=1080, pan_scan=True).notes


def test_ocr_2_text_without_crops_is_too_long():
    reader = theirs("deepseek-ocr-2", crop=False)
    assert (reader.counter((1920, 1080)), reader.count((1920, 1080)).slots) == (257, 145)
    assert saccade.plan("deepseek-ocr-2", width=1920, height=1080, crop=False).slots == 145
    assert saccade.plan("deepseek-ocr-2", width=1920, height=1080, crop=False).notes


def test_ocr_2_counter_gives_tiles_to_small_pictures():
    reader = theirs("deepseek-ocr-2")
    assert isinstance(reader, Halves)
    assert (reader.forecast((640, 480)), len(reader.expand((640, 480)).view_sizes)) == (7, 1)


@pytest.mark.parametrize("name", FILMED)
def test_videos(name: str):
    dice = random.Random(5)
    lengths, rates = (1, 2, 3, 5, 8, 31, 100, 600), (1.5, 24, 25, 29.97, 30, 60)
    most = 3_000 if name == "kimi-k2.5" else 90_000  # it has no limit, and writes a text of millions of placeholders
    films = [
        (size, dice.choice((*lengths, dice.randint(1, most))), dice.choice(rates))
        for size in random_sizes(WITHOUT_PIXELS, seed=2)
    ]

    def filmed(film: tuple[Size, int, float]) -> tuple[int, int]:
        size, frames, fps = film
        plan = saccade.plan(name, width=size[0], height=size[1], frames=frames, fps=fps)
        return plan.visual_tokens, plan.slots

    def known(film: tuple[Size, int, float]) -> tuple[int, int]:
        clip = video(name, *film)
        return clip.visual_tokens, clip.slots

    check(differences(films, known, filmed), len(films))


SURVEYED = [(224, 224), (336, 336), (640, 480), (1024, 1024), (1920, 1080), (3000, 300)]
PAGES = [(600, 400), (700, 700), (850, 1100), (1240, 1754), (1024, 1024), (1920, 1080), (3000, 1000), (1000, 3000)]


@pytest.mark.parametrize(
    ("name", "options", "sizes", "what", "counts"),
    [
        ("llava-1.5-7b", {}, SURVEYED, "visual_tokens", [576] * 6),
        ("qwen2.5-vl-7b", {}, SURVEYED, "visual_tokens", [64, 144, 391, 1369, 2691, 1177]),
        ("qwen2.5-vl-7b", {"max_pixels": 1280 * 784}, SURVEYED, "visual_tokens", [64, 144, 391, 1225, 1222, 1177]),
        ("gemma-3-4b", {"pan_scan": True}, SURVEYED, "visual_tokens", [256, 256, 768, 256, 768, 1280]),
        ("idefics3-8b", {}, SURVEYED, "slots", [2912, 2912, 2227, 2912, 2227, 857]),
        ("smolvlm-256m", {}, SURVEYED, "slots", [1127, 1127, 862, 1127, 862, 332]),
        ("smolvlm-2.2b", {}, SURVEYED, "slots", [1416, 1416, 1083, 1416, 1083, 417]),
        ("ovis2-8b", {}, SURVEYED, "slots", [259, 259, 1286, 2571, 2314, 2057]),
        ("kimi-k2.5", {}, SURVEYED, "visual_tokens", [64, 144, 414, 1369, 2691, 1188]),
        ("colpali-v1.3", {}, SURVEYED, "slots", [1030] * 6),
        ("colqwen2-v1.0", {}, SURVEYED, "visual_tokens", [64, 144, 391, 729, 720, 696]),
        ("deepseek-ocr-2", {}, PAGES, "slots", [257, 257, 1121, 1121, 833, 545, 689, 689]),
    ],
    ids=lambda given: str(given) if isinstance(given, str | dict) else "",
)
def test_the_survey(name: str, options: Mapping[str, int], sizes: list[Size], what: str, counts: list[int]):
    """Theirs against numbers that were worked out by hand and by other code."""
    assert [getattr(theirs(name, **options).count(size), what) for size in sizes] == counts
