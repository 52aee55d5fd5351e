"""How well a small Perceiver IO tells handwritten digits, beside two plain classifiers on the same pixels."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.table import Table

from research.digits.training import Digits
from saccade.architectures.perceiver.io import PictureClassifier
from saccade.core.records.codec import parsed, written
from saccade.core.records.files import write_whole
from saccade.evaluation.results import Score
from saccade.evaluation.statistics.intervals import clustered
from saccade.report import formatting as words
from saccade.report.markdown import pipes
from saccade.report.tables import titled

SCHEMA = "saccade.digits/1"
HEADS = ("classifier", "right")


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitStudy:
    """Accuracy by classifier; ``perceiver`` pools its training seeds, the others have none."""

    trained: int
    tested: int
    seeds: tuple[int, ...]
    rows: dict[str, Score]

    def to_json(self) -> str:
        """As stored, under ``SCHEMA``."""
        return written(self, SCHEMA)

    @classmethod
    def from_json(cls, text: str) -> "DigitStudy":
        """What ``to_json`` wrote. Raises SaccadeError for another schema."""
        return parsed(cls, text, SCHEMA, "study of digits")

    def save(self, path: Path) -> None:
        """Written whole or not at all."""
        write_whole(path, self.to_json())


def study(models: Mapping[int, PictureClassifier], learned: Digits, asked: Digits) -> DigitStudy:
    """Every model on the digits that were ``asked``, and what plain classifiers make of those that were ``learned``."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    truth = asked.labels.numpy()
    with torch.inference_mode():
        found = {seed: model(asked.pixels).argmax(dim=1).numpy() for seed, model in models.items()}
    names = [f"{seed}-{number}" for seed in found for number in range(len(truth))]
    rows = {"perceiver": _score(np.concatenate([one == truth for one in found.values()]), names)}
    plain = {"logistic regression": LogisticRegression(max_iter=5000), "support vectors (RBF)": SVC()}
    for name, classifier in plain.items():
        classifier.fit(learned.pixels.flatten(1).numpy(), learned.labels.numpy())
        right = np.equal(classifier.predict(asked.pixels.flatten(1).numpy()), truth)
        rows[name] = _score(right, [str(number) for number in range(len(truth))])
    return DigitStudy(trained=len(learned.labels), tested=len(truth), seeds=tuple(models), rows=rows)


def _score(right: np.ndarray, clusters: list[str]) -> Score:
    return Score(len(right), int(right.sum()), float(right.mean()), clustered(right, clusters).ends)


def digits_table(found: DigitStudy) -> Table:
    """One row a classifier; accuracy in % with half of the 95 % interval."""
    seeds = ", ".join(map(str, found.seeds))
    made = titled(
        f"scikit-learn's digits: {found.trained:,} learned, {found.tested:,} by other hands asked",
        f"perceiver: training seeds {seeds} pooled; ±: half of the 95 % interval",
    )
    made.add_column(HEADS[0], overflow="fold")
    made.add_column(HEADS[1], justify="right", no_wrap=True)
    for name, score in found.rows.items():
        made.add_row(name, words.score(score))
    return made


def digits_markdown(found: DigitStudy) -> str:
    """The same in Markdown."""
    return pipes(HEADS, ((name, words.score(score)) for name, score in found.rows.items()), right=(1,)) + "\n"
