"""What shared latents gain: picture, sound and text together against the best single one, on generated clips.

Whichever single part does best, by a model that learned from it alone or by the one that learned from everything, is
what reading all three has to beat. Whether the parts belong together cannot be told from one of them: that row shows
that nothing leaks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.table import Table

from research.clips.model import Unified
from research.clips.tasks import PARTS, VERSION, Part
from research.clips.training import ClipBank, bank
from saccade.core.records.codec import parsed, written
from saccade.core.records.files import write_whole
from saccade.evaluation.results import Change, Score
from saccade.evaluation.statistics.intervals import clustered, paired
from saccade.report import formatting as words
from saccade.report.markdown import pipes
from saccade.report.tables import titled

SCHEMA = "saccade.clips/1"
CLIPS = 1000
HEADS = ("read", "learned from", "which of 12", "of one source?")
READ: tuple[tuple[int, ...], ...] = ((0, 1, 2), (0, 1), (0, 2), (1, 2), (0,), (1,), (2,))
AT_ONCE = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRow:
    """What is ``read`` of a clip by a model that ``learned`` from everything or from one part.

    ``source`` scores which it is, over clips whose parts are of one source; ``match`` whether they are, over all.
    """

    read: str
    learned: str
    source: Score
    match: Score | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipStudy:
    """All rows; ``best`` is the row of a single part with the best source, ``gain`` what reading all three adds to it,
    on the same clips and seeds; ``match_gain`` the same over the best pair of a single part's match.
    """

    task: str
    clips: int
    seeds: tuple[int, ...]
    rows: tuple[ClipRow, ...]
    best: str
    gain: Change
    match_gain: Change

    def to_json(self) -> str:
        """As stored, under ``SCHEMA``."""
        return written(self, SCHEMA)

    @classmethod
    def from_json(cls, text: str) -> "ClipStudy":
        """What ``to_json`` wrote. Raises SaccadeError for another schema."""
        return parsed(cls, text, SCHEMA, "study of clips")

    def save(self, path: Path) -> None:
        """Written whole or not at all."""
        write_whole(path, self.to_json())


def study(models: Mapping[tuple[Part | None, int], Unified], clips: int = CLIPS) -> ClipStudy:
    """Every model on the first ``clips`` of the test split; seeds are pooled, intervals are over clips and seeds."""
    seeds = tuple(sorted({seed for _, seed in models}))
    spec = next(iter(models.values())).spec
    data = bank("test", clips, spec.letters)
    right: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
    trained: list[Part | None] = list(dict.fromkeys(part for part, _ in models))
    for part in trained:
        for read in READ if part is None else [(PARTS.index(part),)]:
            answers = [_answers(models[part, seed], data, read) for seed in seeds]
            source, match = (np.stack([one[place] for one in answers]) for place in (0, 1))
            right["+".join(PARTS[one] for one in read), part or "everything"] = (source, match)
    whole = data.whole.numpy()
    names = [f"{seed}-{clip}" for seed in seeds for clip in range(clips)]
    of_one = [name for name, one in zip(names, np.tile(whole, len(seeds)), strict=True) if one]
    rows = tuple(
        ClipRow(
            read=read,
            learned=learned,
            source=_score(source[:, whole].ravel(), of_one),
            match=_score(match.ravel(), names) if learned == "everything" else None,
        )
        for (read, learned), (source, match) in right.items()
    )
    singles = [row for row in rows if row.read in PARTS]
    best = max(singles, key=lambda row: row.source.accuracy)
    told = max(
        (row for row in singles if row.match is not None), key=lambda row: row.match.accuracy if row.match else 0
    )
    everything = right["+".join(PARTS), "everything"]
    gain = paired(everything[0][:, whole].ravel(), right[best.read, best.learned][0][:, whole].ravel(), of_one)
    match_gain = paired(everything[1].ravel(), right[told.read, told.learned][1].ravel(), names)
    return ClipStudy(
        task=VERSION, clips=clips, seeds=seeds, rows=rows, best=f"{best.read}, learned from {best.learned}",
        gain=Change(gain.mean, gain.ends), match_gain=Change(match_gain.mean, match_gain.ends),
    )  # fmt: skip


@torch.inference_mode()
def _answers(model: Unified, data: ClipBank, read: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Which clips' source is named rightly, and of which the match is told rightly."""
    there = torch.zeros(AT_ONCE, len(PARTS), dtype=torch.bool)
    there[:, list(read)] = True
    source, match = [], []
    for index in torch.arange(len(data.source)).split(AT_ONCE):
        taken = data.take(index, there[: len(index)])
        which, whether = model(taken.clips)
        source.append(which.argmax(dim=1) == taken.source)
        match.append(whether.argmax(dim=1) == taken.whole.long())
    return torch.cat(source).numpy(), torch.cat(match).numpy()


def _score(right: np.ndarray, clusters: list[str]) -> Score:
    found = clustered(right, clusters)
    return Score(len(right), int(right.sum()), float(right.mean()), found.ends)


def clips_table(found: ClipStudy) -> Table:
    """One row for what is read by whom; accuracy in % with half of the 95 % interval."""
    seeds = ", ".join(map(str, found.seeds))
    made = titled(
        f"{found.task}, {found.clips:,} test clips, training seeds {seeds}",
        "\n".join(verdicts(found)),
    )
    for place, name in enumerate(HEADS):
        made.add_column(name, overflow="fold") if place < 2 else made.add_column(name, justify="right", no_wrap=True)
    for row in found.rows:
        made.add_row(*_cells(row))
    return made


def clips_markdown(found: ClipStudy) -> str:
    """The same in Markdown, what is gained below it."""
    table = pipes(HEADS, map(_cells, found.rows), right=(2, 3))
    return "\n".join([table, "", *(f"- {line}" for line in verdicts(found)), ""])


def _cells(row: ClipRow) -> list[str]:
    return [row.read, row.learned, words.score(row.source), words.score(row.match)]


def verdicts(found: ClipStudy) -> list[str]:
    """What reading all three adds, and whether that is beyond the interval."""

    def told(what: str, over: str, change: Change) -> str:
        clear = change.ci95 is not None and change.ci95[0] > 0
        return (
            f"{what}: all three {words.signed(change.mean)} points over {over} (95 %: {words.ends(change)}), "
            f"{'beyond' if clear else 'not beyond'} the interval"
        )

    return [
        told("which source", f"the best single part ({found.best})", found.gain),
        told("of one source", "the best single part, which cannot tell", found.match_gain),
    ]
