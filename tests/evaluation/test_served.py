"""A comparison against a running server: the rows of the model that it serves, in tokens as they are planned."""

import json
from pathlib import Path

import pytest
from PIL import Image

from saccade.api.comparing import compare
from saccade.backends.endpoint import Endpoint
from saccade.backends.open import open_model
from saccade.core.request import Ask
from saccade.evaluation.baselines import SHARES
from saccade.tasks.scenes import Scenes
from tests.servers import Running


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_our_server_gets_the_rows_of_the_model_that_it_serves(ours: Running) -> None:
    with Endpoint(ours.url, ours.model) as far:
        there = compare(models=[far], pictures=2).results
    here = compare(models=[open_model("llava", name="near")], pictures=2, budgets=[16]).results
    row, own = (next(row for row in found.rows if row.policy == "once") for found in (there, here))
    assert row.reader == ours.model
    assert (row.detail, row.gist, row.kinds) == (own.detail, own.gist, own.kinds)
    assert (row.visual_tokens, row.tokens) == (own.visual_tokens, own.tokens)
    near, request = open_model("llava"), Ask(question="?")
    planned = [near.price(scene.size, request).visual_tokens for scene in Scenes("test", 2)]
    assert planned == [row.visual_tokens] * 2
    assert [row.policy for row in there.rows] == ["once", "resize", "resize"]
    assert len(there.rows) == 1 + len(SHARES)
    assert there.exam.resolvable_px is None
    assert row.fidelity == "hosted"


def test_a_server_that_counts_whole_prompts_is_compared_by_those(theirs: Running, tmp_path: Path) -> None:
    """transformers' own server tells no visual tokens apart."""
    lines = []
    for number in range(2):
        Image.new("RGB", (50, 40), (90 * number, 0, 99)).save(tmp_path / f"{number}.png")
        lines.append(json.dumps({"image": f"{number}.png", "question": "What colour?", "answer": "red"}))
    (tmp_path / "mine.jsonl").write_text("\n".join(lines))
    with Endpoint(theirs.url, theirs.model) as far:
        found = compare(tmp_path / "mine.jsonl", models=[far]).results
    row = next(row for row in found.rows if row.policy == "once")
    assert row.tokens is not None
    assert row.visual_tokens in (16, row.tokens)
    assert row.tokens > 16  # the picture's, by the plan of the folder, and the words
    assert row.visual_tokens == 16 or "whole prompts are counted" in row.trained


def test_a_server_by_its_url_is_let_go_of_when_the_comparison_is_done(ours: Running, monkeypatch: pytest.MonkeyPatch):
    closed: list[str] = []
    close = Endpoint.close
    monkeypatch.setattr(Endpoint, "close", lambda self: (closed.append(self.name), close(self)))
    compare(models=[ours.url], pictures=1, budgets=[16])
    assert closed == [ours.url]
    closed.clear()
    with Endpoint(ours.url) as mine:
        compare(models=[mine], pictures=1, budgets=[16])
        assert not closed
