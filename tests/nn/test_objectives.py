"""BLIP-2's first-stage objectives against their formulas, written out place by place."""

import math

import pytest
import torch

from saccade.nn import objectives
from tests.parts import close

SAME = torch.eye(5, dtype=torch.bool)
PAIRED = SAME.clone()
PAIRED[1, 3] = PAIRED[3, 1] = True


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def surprise(row: list[float], wanted: list[float]) -> float:
    """Cross-entropy of one row against one distribution."""
    most = max(row)
    whole = most + math.log(sum(math.exp(score - most) for score in row))
    return sum(share * (whole - score) for score, share in zip(row, wanted, strict=True))


def smoothed(hits: list[bool], smoothing: float) -> list[float]:
    return [(1 - smoothing) * hit / sum(hits) + smoothing / len(hits) for hit in hits]


def test_a_picture_is_as_similar_as_its_best_query():
    pictures, texts = drawn(3, 4, 6), drawn(2, 6, seed=1)
    found = objectives.similarities(pictures, texts)
    for i in range(3):
        for j in range(2):
            best = max(float(pictures[i, q] @ texts[j]) for q in range(4))
            assert float(found[i, j]) == pytest.approx(best, abs=1e-5)


def test_together_are_own_pairs_equal_captions_and_pairs_of_one_picture():
    ids = torch.tensor([[1, 5, 6, 0], [1, 5, 0, 0], [1, 5, 6, 9], [1, 5, 6, 0], [1, 7, 7, 7]])
    real = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]]).bool()
    expected = SAME.clone()
    expected[0, 2] = expected[2, 0] = True  # what stands under padding is no word, and a real 0 is one
    assert objectives.together(ids, real).equal(expected)
    expected[1, 4] = expected[4, 1] = True
    assert objectives.together(ids, real, torch.tensor([3, 8, 4, 5, 8])).equal(expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("same", [None, PAIRED], ids=["own", "shared"])
def test_contrast_is_both_ways_the_mean_over_rows(same, smoothing):
    scores = 3 * drawn(5, 5)
    hits = (SAME if same is None else same).tolist()
    rows = [surprise(scores[i].tolist(), smoothed(hits[i], smoothing)) for i in range(5)]
    cols = [surprise(scores[:, i].tolist(), smoothed([row[i] for row in hits], smoothing)) for i in range(5)]
    expected = (sum(rows) / 5 + sum(cols) / 5) / 2
    assert float(objectives.contrastive(scores, same, smoothing)) == pytest.approx(expected, rel=1e-5)


def test_contrast_is_smoothed_by_a_tenth_unless_told():
    scores = drawn(5, 5)
    assert objectives.contrastive(scores).equal(objectives.contrastive(scores, smoothing=0.1))
    assert not objectives.contrastive(scores).equal(objectives.contrastive(scores, smoothing=0.0))


def test_hard_negatives_are_never_their_own_nor_of_the_same():
    """Scores make the own pair all but certain, were it allowed."""
    scores = torch.full((5, 5), -20.0) + 60 * PAIRED
    seen = set()
    for seed in range(60):
        for same in (None, PAIRED):
            pairs = objectives.hard_negatives(scores, same, torch.Generator().manual_seed(seed))
            assert pairs[:5, 1].tolist() == pairs[5:, 0].tolist() == list(range(5))
            barred = SAME if same is None else same
            assert not bool(barred[pairs[:, 0], pairs[:, 1]].any())
            if same is None:
                seen |= {tuple(pair) for pair in pairs.tolist()}
    assert {(1, 3), (3, 1)} <= seen


def test_hard_negatives_are_drawn_as_often_as_scores_say():
    """For text 0 a picture by its column, for picture 0 a text by its row: two distributions, far apart."""
    scores = drawn(4, 4, seed=3) * 1.5
    out = torch.eye(4, dtype=torch.bool)
    column = scores[:, 0].masked_fill(out[0], -torch.inf).softmax(dim=0)
    row = scores[0].masked_fill(out[0], -torch.inf).softmax(dim=0)
    assert float((column - row).abs().max()) > 0.15
    draw, rounds = torch.Generator().manual_seed(0), 4000
    pictures, texts = torch.zeros(4), torch.zeros(4)
    for _ in range(rounds):
        pairs = objectives.hard_negatives(scores, generator=draw)
        pictures[pairs[0, 0]] += 1
        texts[pairs[4, 1]] += 1
    assert float((pictures / rounds - column).abs().max()) < 0.03
    assert float((texts / rounds - row).abs().max()) < 0.03


def test_who_has_no_one_else_gets_no_pair():
    assert objectives.hard_negatives(drawn(1, 1)).shape == (0, 2)
    assert objectives.hard_negatives(drawn(3, 3), torch.ones(3, 3, dtype=torch.bool)).shape == (0, 2)
    lonely = torch.zeros(3, 3, dtype=torch.bool)
    lonely[1] = True  # picture 1 belongs to every text, whose pictures may still be another
    pairs = objectives.hard_negatives(drawn(3, 3), lonely)
    assert pairs[:3, 1].tolist() == [0, 1, 2]
    assert pairs[3:, 0].tolist() == [0, 2]


def test_negatives_pass_no_gradient_and_do_not_move_with_the_seed():
    scores = drawn(6, 6).requires_grad_()
    first, again, other = (
        objectives.hard_negatives(scores, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 5)
    )
    assert not first.requires_grad
    assert first.equal(again)
    assert not first.equal(other)


def test_match_is_one_for_the_first_and_zero_for_the_others():
    logits = drawn(5, 2)
    expected = [surprise(row, [0.0, 1.0] if at < 2 else [1.0, 0.0]) for at, row in enumerate(logits.tolist())]
    assert float(objectives.matching(logits, 2)) == pytest.approx(sum(expected) / 5, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_generation_is_the_mean_over_words_of_every_next_one(smoothing):
    logits, ids = drawn(2, 4, 7), torch.tensor([[6, 1, 2, 3], [6, 4, 0, 0]])
    real = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]).bool()
    told = [(0, 0, 1), (0, 1, 2), (0, 2, 3), (1, 0, 4)]
    expected = [
        surprise(logits[row, at].tolist(), smoothed([word == wanted for word in range(7)], smoothing))
        for row, at, wanted in told
    ]
    found = objectives.generation(logits, ids, real, smoothing)
    assert float(found) == pytest.approx(sum(expected) / 4, rel=1e-5)
    if smoothing == objectives.SMOOTHING:
        close(objectives.generation(logits, ids, real), found)


def test_generation_of_one_word_and_of_nothing():
    logits, ids, real = drawn(1, 2, 7), torch.tensor([[6, 3]]), torch.tensor([[True, True]])
    assert float(objectives.generation(logits, ids, real, 0.0)) == pytest.approx(-float(logits[0, 0].log_softmax(0)[3]))
    ids, real = torch.tensor([[6, 0]]), torch.tensor([[True, False]])
    assert float(objectives.generation(drawn(1, 2, 7), ids, real)) == 0
