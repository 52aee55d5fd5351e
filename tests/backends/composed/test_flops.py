"""What torch counts equals what the specs predict, for whole questions."""

from collections.abc import Callable
from typing import cast

import pytest

from saccade.architectures import COMPOSITIONS
from saccade.backends.composed.flops import Counter, Quadratic, _count, _law, _pixels, _read, _seen, _tower
from saccade.backends.embedded.family import embedded
from saccade.backends.random_init import build
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.specs.language.decoder import DecoderSpec


@pytest.mark.parametrize("name", sorted(COMPOSITIONS))
@pytest.mark.parametrize("size", [Size(64, 64), Size(300, 170)], ids=str)
def test_counted_is_predicted(name: str, size: Size) -> None:
    reader = build(name)
    plan = reader.plan(size, "What digit is in the top left corner?")
    counted = Counter(reader).look([plan.layout], [plan.length - plan.slots])
    assert counted == plan.flops


def test_dropped_tokens_cost_the_language_model_less_and_nothing_else() -> None:
    reader = build("llava")
    plan = reader.plan(Size(64, 64), "What?")
    count = Counter(reader)
    less = count.look([plan.layout], [plan.length - plan.slots], dropped=2)
    expected = plan.flops - plan.language.flops + reader.spec.language.cost(plan.length - 2).flops
    assert less == expected


@pytest.mark.parametrize("law", [(3, 5, 7), (0, 1, 0), (11, 0, 2)], ids=str)
@pytest.mark.parametrize("length", [1, 8, 33, 4096])
def test_three_counts_fix_a_quadratic(law: tuple[int, int, int], length: int) -> None:
    constant, linear, square = law
    assert Quadratic(lambda n: constant + linear * n + square * n * n).at(length) == (
        constant + linear * length + square * length**2
    )


def test_halves_cancel_out() -> None:
    assert Quadratic(lambda n: n * (n + 1) // 2).at(5) == 15


@pytest.mark.parametrize(
    "count",
    [lambda n: n**3, lambda n: n * min(n, 16), lambda n: 2 * n if n < 64 else n],
    ids=["cubic", "window", "step"],
)
def test_another_law_is_refused_with_both_counts(count: Callable[[int], int]) -> None:
    with pytest.raises(SaccadeError, match=rf"torch counts {count(64)} FLOPs over 64 positions, -?\d+ follow from"):
        Quadratic(count)


@pytest.mark.parametrize("name", ["llava", "deepseek-ocr"])
def test_lengths_between_are_counted_right(name: str) -> None:
    """DeepSeek's feed-forward routes to experts: each position takes as many, so its law is quadratic too."""
    language = cast(DecoderSpec, build(name).spec.language)
    for length in (1, 9, 47):
        assert _law(language).at(length) == _read(language, None, length, 0) == language.cost(length).flops


def test_cross_attention_is_counted_at_each_length() -> None:
    reader = build("flamingo")
    plan = reader.plan(Size(64, 64), "What?")
    count = Counter(reader)
    for text in (3, 17):
        read = reader.spec.path.plan([Size(64, 64)], text)
        assert count.look([plan.layout], [text]) == read.flops


def test_lengths_between_are_counted_right_beside_crossed_tokens() -> None:
    spec = build("flamingo").spec
    language = cast(DecoderSpec, spec.language)
    for length, crossed in ((1, 4), (9, 64), (47, 64)):
        assert _law(language, spec.cross, crossed).at(length) == _read(language, spec.cross, length, crossed)


def test_several_questions_about_one_look() -> None:
    reader = build("llava")
    plan = reader.plan(Size(64, 64), "What?")
    count = Counter(reader)
    one, other = (count.look([plan.layout], [text]) for text in (4, 9))
    assert count.look([plan.layout], [4, 9]) == one + other - plan.vision.flops - plan.connector.flops


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (2, 3), (5, 3), (12, 16), (9, 1)])
def test_a_towers_law_is_its_count_over_views_of_any_shape(rows: int, cols: int) -> None:
    tower = COMPOSITIONS["llava"].presets["tiny"]().tower
    stem = embedded("llava").spec.tower
    assert stem.quadratic
    assert not tower.quadratic
    size = Size(cols * stem.patch, rows * stem.patch)
    assert _seen(stem, size) == _count(_tower(stem), _pixels(size)) == stem.cost(Grid(rows, cols)).flops
