"""The curve of a bottleneck: which rows are drawn where."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from saccade.evaluation.results import Results
from saccade.report.charts.lines import HEIGHT, TOP
from saccade.report.pages.bottleneck import curve

SVG = "{http://www.w3.org/2000/svg}"
STORED = Results.from_json((Path(__file__).parents[3] / "docs" / "results.json").read_text())


def test_latents_and_smaller_pictures_stand_at_their_tokens():
    drawn = curve(STORED)
    assert drawn is not None
    root = ET.fromstring(drawn)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"Detail", "Gist", "visual tokens", "4", "16", "64", "256"} <= set(texts)
    latents = {int(row.visual_tokens): row for row in STORED.rows if row.reader.startswith("perceiver-")}
    assert sorted(latents) == [4, 16, 64, 256]
    smaller = [row for row in STORED.rows if row.reader == "llava" and row.policy in ("once", "resize")]
    wanted = [
        TOP + HEIGHT * (1 - getattr(row, scale).accuracy)
        for scale in ("detail", "gist")
        for row in (
            *(latents[tokens] for tokens in sorted(latents)),
            *sorted(smaller, key=lambda row: row.visual_tokens),
        )
    ]
    found = [float(circle.get("cy")) for circle in root.iter(f"{SVG}circle")]
    assert found == pytest.approx(wanted, abs=0.06)


def test_nothing_is_drawn_where_there_is_no_perceiver():
    without = Results.from_json(STORED.to_json())
    rows = tuple(row for row in without.rows if not row.reader.startswith("perceiver-"))
    object.__setattr__(without, "rows", rows)
    assert curve(without) is None


def test_a_perceiver_that_baselines_are_made_from_is_drawn_whole():
    """Its own pruned rows stand at the same tokens as those with fewer latents, and are none of them."""
    pruned = next(row for row in STORED.rows if row.policy == "uniform" and row.budget == 64)
    with_one = Results.from_json(STORED.to_json())
    rows = (
        *with_one.rows,
        replace(pruned, reader="perceiver-256", detail=replace(pruned.detail, correct=0, accuracy=0.0)),
    )
    object.__setattr__(with_one, "rows", rows)
    assert curve(with_one) == curve(STORED)
