"""Counts of the Q-Former worked out by hand, and which of its two forms is cheaper."""

from dataclasses import replace

import pytest

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.records.recipe import from_dict, to_dict
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.matcher import MatcherSpec
from saccade.specs.reader import PARTS

GIANT = QFormerSpec(width_in=1408, width_out=0, lean=False)
LARGE = replace(GIANT, width_in=1024)
WORDED = replace(GIANT, vocabulary=30_522)
GRID = Grid(16, 16)


@pytest.mark.parametrize(("spec", "weights"), [(GIANT, 105.14), (LARGE, 101.60), (WORDED, 185.66)])
def test_weights_are_those_of_the_published_models(spec, weights):
    """Without the queries themselves, as they are told."""
    assert (spec.cost(GRID).params - 32 * 768) / 1e6 == pytest.approx(weights, abs=0.005)


def test_flops_are_those_of_the_published_models():
    assert GIANT.cost(GRID).flops / 1e9 == pytest.approx(12.75, abs=0.005)
    assert replace(WORDED, text=32).cost(GRID).flops / 1e9 == pytest.approx(18.3, abs=0.05)
    keys = 2 * 257 * 1408 * 768 * 2 * 6
    assert keys / 1e9 == pytest.approx(6.67, abs=0.005)


def test_folding_saves_a_fifth():
    lean = replace(GIANT, lean=True)
    assert lean.folds(257)
    assert not GIANT.folds(257)
    assert lean.cost(GRID).flops / GIANT.cost(GRID).flops == pytest.approx(0.79, abs=0.005)
    assert lean.cost(GRID).params == GIANT.cost(GRID).params
    one = (lean.cost(GRID).flops - GIANT.cost(GRID).flops) / 6 / 1e9
    assert one == pytest.approx(0.69 - 1.14, abs=0.01)  # a reading layer's, in billions


def test_the_last_layer_does_what_is_read():
    told = replace(WORDED, queries=64, text=32)  # so many queries are not worth folding for
    lean = replace(told, lean=True)
    assert not lean.folds(257)
    query_and_out = 2 * 2 * 32 * 768 * 768
    saved = query_and_out + 4 * 32 * 96 * 768 + 4 * 32 * 768 * 3072
    assert told.cost(GRID).flops - lean.cost(GRID).flops == saved
    assert told.cost(GRID).params == lean.cost(GRID).params


@pytest.mark.parametrize(
    "spec",
    [
        QFormerSpec(width_in=1408, width_out=0),
        QFormerSpec(width_in=1024, width_out=0, queries=64),
        QFormerSpec(width_in=24, width_out=0, queries=2, width=8, heads=2),
    ],
)
def test_the_cheaper_form_is_taken_for_every_number_of_patches(spec):
    forms = set()
    for patches in (1, 2, 8, 17, 50, 257, 1000):
        plain, lean = (replace(spec, lean=lean)._read(patches).flops for lean in (False, True))
        assert lean <= plain
        assert (lean < plain) == spec.folds(patches)
        forms.add(spec.folds(patches))
    assert forms == ({True, False} if spec.queries != 64 else {False})


def test_layers_that_read_are_the_first_and_every_second():
    assert [replace(GIANT, depth=depth).crossing for depth in (1, 2, 3, 12)] == [1, 1, 2, 6]
    assert replace(GIANT, every=5).crossing == 3


def test_an_instruction_is_counted_where_there_is_one():
    assert (GIANT.reads_prompt, replace(WORDED, text=8).reads_prompt) == (False, True)
    assert (replace(GIANT, width_out=2560).channels, GIANT.channels) == (2560, 768)
    assert WORDED.encode(GRID, 32) == replace(WORDED, text=32).encode(GRID)


def test_peak_grows_with_views_and_falls_with_folding():
    lean = replace(GIANT, lean=True)
    assert GIANT.peak([GRID] * 2, 4, eager=False) == 2 * 257 * (1408 + 2 * 768) * 4
    assert GIANT.peak([GRID], 2, eager=True) == 257 * (1408 + 2 * 768) * 2 + 12 * 32 * 257 * 10
    assert lean.peak([], 4, eager=False) == 0
    assert lean.peak([GRID] * 2, 4, eager=False) > lean.peak([GRID], 4, eager=False)


def test_round_trip_through_a_recipe():
    assert from_dict(to_dict(WORDED, PARTS), PARTS) == WORDED


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 768, "heads": 7}, "7 heads do not divide width 768"),
        ({"every": 0}, "sizes are 1 or more"),
        ({"extra": -1}, "0 or more for what may be absent"),
        ({"text": 32}, "32 positions of text need a table of words, got a vocabulary of 0"),
        ({"text": 600, "vocabulary": 30}, "600 positions of text are more than the 512"),
    ],
)
def test_refuses_what_cannot_be(changes, message):
    with pytest.raises(SaccadeError, match=message):
        replace(GIANT, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embed": 0}, "1 channel or more, got 0"),
        ({"qformer": WORDED}, r"different rows of a table of 30522 words, got \[0, 101, 30522\]"),
        ({"pad": 101}, "different rows"),
        ({"pad": -1}, "different rows"),
        ({"qformer": replace(WORDED, vocabulary=30_523, width_out=8)}, "got width_out 8 and text 0; set both to 0"),
        ({"qformer": replace(WORDED, vocabulary=30_523, text=8)}, "got width_out 0 and text 8"),
    ],
)
def test_a_matcher_refuses_what_cannot_be(changes, message):
    with pytest.raises(SaccadeError, match=message):
        replace(MatcherSpec(qformer=replace(WORDED, vocabulary=30_523)), **changes)


def test_weights_of_the_first_stage():
    """The text branch with heads; the table has the row more."""
    spec = MatcherSpec(qformer=replace(WORDED, vocabulary=30_523))
    assert spec.cost(GRID, 32).params / 1e6 == pytest.approx(186.7, abs=0.05)
