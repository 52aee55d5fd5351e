"""The study of shared latents: who is scored on what, which single part is the best, and what is said of the gain."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from research.clips import study as study
from research.clips.model import Unified
from research.clips.spec import UnifiedSpec
from research.clips.study import ClipStudy, clips_markdown, clips_table, verdicts
from research.clips.tasks import PARTS
from saccade.core.errors import SaccadeError
from saccade.evaluation.results import Change

SPEC = UnifiedSpec(width=16, latents=2, heads=2, rounds=1, layers=1)


def knowing(share: dict[int, float], truth: dict) -> Unified:
    """A model that names the source rightly in this share of the clips, by how many parts it reads."""
    model = Unified(SPEC)

    def forward(clips):
        rows = [truth[float(sound[0])] for sound in clips.sounds]
        sources, matches = torch.zeros(len(rows), 12), torch.zeros(len(rows), 2)
        for at, (number, source, whole) in enumerate(rows):
            parts = int(clips.there[at].sum())
            right = number % 10 < 10 * share[parts]
            sources[at, source if right else (source + 1) % 12] = 1
            matches[at, int(whole) if parts > 1 else 0] = 1
        return sources, matches

    model.forward = forward
    return model


@pytest.fixture
def truth() -> dict:
    data = study.bank("test", 100, 32)
    rows = zip(data.clips.sounds[:, 0].tolist(), range(100), data.source.tolist(), data.whole.tolist(), strict=True)
    return {first: (number, source, whole) for first, number, source, whole in rows}


def test_rows_and_gain(truth):
    models = {(None, seed): knowing({1: 0.3, 2: 0.6, 3: 0.9}, truth) for seed in (0, 1)}
    for place, part in enumerate(PARTS):
        models |= {(part, seed): knowing({1: 0.2 * (place + 1)}, truth) for seed in (0, 1)}
    found = study.study(models, 100)
    whole = [number for number, _, one in truth.values() if one]
    rows = {(row.read, row.learned): row for row in found.rows}
    assert len(rows) == 10
    for (read, learned), row in rows.items():
        share = {1: 0.3, 2: 0.6, 3: 0.9}[read.count("+") + 1]
        share = share if learned == "everything" else 0.2 * (PARTS.index(read) + 1)
        right = sum(number % 10 < 10 * share for number in whole)
        assert (row.source.n, row.source.correct) == (2 * len(whole), 2 * right)
        assert (row.match is None) == (learned != "everything")
    assert rows["picture+sound+text", "everything"].match.accuracy == 1
    assert rows["text", "everything"].match.correct == 2 * (100 - len(whole))
    assert found.best == "text, learned from text"
    gain = rows["picture+sound+text", "everything"].source.accuracy - rows["text", "text"].source.accuracy
    assert found.gain.mean == pytest.approx(gain)
    assert found.match_gain.mean == pytest.approx(len(whole) / 100)
    assert ClipStudy.from_json(found.to_json()) == found
    for text in ("{}", found.to_json().replace("saccade.clips/1", "saccade.clips/9", 1)):
        with pytest.raises(SaccadeError, match=r"the file is no study of clips of saccade\.clips/1; run what makes it"):
            ClipStudy.from_json(text)
    with pytest.raises(SaccadeError, match="the file is no study of clips: Expecting value at line 1"):
        ClipStudy.from_json("cut")
    assert next(iter(clips_table(found).columns[0].cells)) == "picture+sound+text"


def test_a_gain_is_said_to_be_one_only_beyond_its_interval(truth):
    found = study.study({(None, 0): knowing({1: 0.5, 2: 0.5, 3: 0.5}, truth)}, 100)
    assert found.best == "picture, learned from everything"
    first, second = verdicts(found)
    assert "all three 0.0 points over the best single part (picture, learned from everything)" in first
    assert first.endswith("not beyond the interval")
    assert second.endswith(", beyond the interval")
    worse = replace(found, gain=Change(0.05, (-0.01, 0.11)), match_gain=Change(-0.2, (-0.3, -0.1)))
    assert all(line.endswith("not beyond the interval") for line in verdicts(worse))


def test_the_page_says_what_was_measured():
    root = Path(__file__).parents[3]
    measured = ClipStudy.from_json((root / "docs" / "clips.json").read_text(encoding="utf-8"))
    text = (root / "docs" / "results" / "clips.md").read_text(encoding="utf-8")
    between = text.split("<!-- table: docs/clips.json -->\n")[1].split("<!-- /table -->")[0]
    assert between.strip() == clips_markdown(measured).strip()
    assert measured.gain.ci95[0] > 0
