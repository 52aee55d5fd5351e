"""Naming the pieces of a checkpoint: folders beside it, or the Hub's, at a revision."""

from pathlib import Path

import pytest

from saccade.weights import pieces
from saccade.weights.checkpoint import FILES


def test_a_piece_is_a_folder_seen_from_this_one_or_the_hub_s_at_a_revision(tmp_path, monkeypatch):
    asked: list[tuple[object, ...]] = []

    def fetch(name: str, revision: str | None, files: tuple[str, ...]) -> Path:
        asked.append((name, revision, files))
        return tmp_path / "fetched"

    monkeypatch.setattr(pieces, "fetch", fetch)
    (tmp_path / "ours" / "tower").mkdir(parents=True)
    assert pieces.piece(tmp_path / "ours", "tower") == tmp_path / "ours" / "tower"
    assert asked == []
    assert pieces.piece(tmp_path / "ours", "owner/name") == tmp_path / "fetched"
    pieces.piece(tmp_path / "ours", "owner/name@v1", ("*.bin",))
    assert asked == [("owner/name", None, FILES), ("owner/name", "v1", (*FILES, "*.bin"))]


@pytest.mark.parametrize("value", [1, "yes", None])
def test_a_truth_is_no_number_and_no_word(value):
    with pytest.raises(ValueError, match=r"saccade\.json: pickled is a bool, got .*; a whole one reads: sample"):
        pieces.given({"pickled": value}, {"pickled": (bool, False)}, "sample")
