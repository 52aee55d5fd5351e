"""What a comparison found: the record that tables, pictures and pages are drawn from.

Stored as JSON under ``schema``; reading is strict, so that a file is either understood or refused.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from saccade.core.errors import SaccadeError
from saccade.core.records.codec import decode, encode
from saccade.core.records.files import write_whole
from saccade.tasks.exam import Scale

SCHEMA = "saccade.compare/2"
SCALES: tuple[Scale, ...] = ("detail", "gist", "own")
BASELINES = ("resize", "random", "uniform")
"""The policies that stand in every comparison: a smaller picture, and tokens kept by chance or evenly."""

WHOLE_POLICY = "once"
"""The policy of one look at the whole picture."""

Fidelity = Literal["exact", "faithful", "survey", "hosted"]
"""How near a row is to what was published; ``hosted`` is a model in its own code or behind a server, untouched."""
Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Score:
    """``correct`` of ``n`` answers; ``accuracy`` and its interval as fractions, no interval for a single cluster.

    ``correct`` is the sum of the answers' scores (each 0 to 1), a fraction where the metric gives partial scores; a
    whole sum is stored as a whole number.
    """

    n: int
    correct: float
    accuracy: float
    ci95: Ends | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.n or self.n < 1:
            raise SaccadeError(f"a score needs 0 ≤ correct ≤ n and n ≥ 1, got {self.correct:.10g} of {self.n}")
        if abs(self.accuracy - self.correct / self.n) > 1e-6:
            raise SaccadeError(
                f"{self.correct:.10g} of {self.n} is not an accuracy of {self.accuracy}; store correct / n"
            )
        if float(self.correct).is_integer():
            object.__setattr__(self, "correct", int(self.correct))
        _ordered(self.ci95)


@dataclass(frozen=True, slots=True)
class Change:
    """Mean paired difference of two accuracies, a fraction, with its interval."""

    mean: float
    ci95: Ends | None = None

    def __post_init__(self) -> None:
        _ordered(self.ci95)


@dataclass(frozen=True, slots=True)
class Changes:
    """Differences to the full-token reader on the same questions, None where the scale was not asked."""

    detail: Change | None = None
    gist: Change | None = None
    own: Change | None = None


@dataclass(frozen=True, slots=True)
class Flops:
    """Mean FLOPs of one question: ``predicted`` by the plan, ``counted`` while running, None where nobody did."""

    predicted: float | None
    counted: float | None = None


@dataclass(frozen=True, slots=True)
class Milliseconds:
    """Wall-clock milliseconds of one question: median and 95th percentile."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One reader under one policy at one budget.

    ``budget`` is the visual tokens allowed, None where nothing limits them; ``visual_tokens``, ``tokens`` (all
    positions of the prompts) and ``slots`` (those that pictures add) are means over the questions. ``kinds`` scores
    each kind of question. ``bytes`` is the predicted peak of weights, cache and activations, ``trained`` one sentence
    on how the reader was trained; it ran on ``device`` in numbers of ``dtype``. None stands for what nobody knows of a
    model behind a server.
    """

    reader: str
    policy: str
    budget: int | None
    seed: int | tuple[int, ...]
    visual_tokens: float
    tokens: float | None
    slots: float | None
    detail: Score | None
    gist: Score | None
    own: Score | None
    kinds: dict[str, Score]
    flops: Flops
    ms: Milliseconds
    bytes: int | None
    params: int | None
    fidelity: Fidelity
    trained: str
    difference: Changes
    device: str
    dtype: str

    @property
    def baseline(self) -> bool:
        """Whether this is one of the rows that every method has to beat."""
        return self.policy in BASELINES

    def score(self, scale: Scale) -> Score | None:
        """The score on one scale."""
        return {"detail": self.detail, "gist": self.gist, "own": self.own}[scale]

    def change(self, scale: Scale) -> Change | None:
        """The paired difference on one scale."""
        return {"detail": self.difference.detail, "gist": self.difference.gist, "own": self.difference.own}[scale]


@dataclass(frozen=True, slots=True)
class ExamFacts:
    """The exam's versioned ``name`` and size; print of ``resolvable_px`` tower pixels and more counts as resolvable."""

    name: str
    pictures: int
    questions: int
    resolvable_px: float | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """Versions (None of what is not installed), ``threads`` used, and the ``machine`` architecture.

    Pillow makes the pixels: the same picture differs between its releases 12 and 13.
    """

    python: str
    torch: str | None
    transformers: str | None
    pillow: str
    saccade: str
    threads: int
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cheapest:
    """The row of fewest visual tokens whose mean score is at most ``loss`` (a fraction) below the whole picture's.

    ``difference`` is that over all questions, with its interval; ``proved`` where all of that lies within the loss.
    ``among`` counts the cheaper rows it was chosen from: the choice by the mean of one of several is a little
    optimistic, and the interval does not correct for it. Where no cheaper row keeps within the loss, this is the whole
    picture's own row (``saves`` is false): difference 0, without an interval.
    """

    reader: str
    policy: str
    budget: int | None
    visual_tokens: float
    loss: float
    difference: float
    ci95: Ends | None
    proved: bool
    among: int

    @property
    def saves(self) -> bool:
        """Whether it takes fewer visual tokens than the whole picture."""
        return self.policy != WHOLE_POLICY


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """All rows of a comparison. ``reference`` is the reader and ``recipe`` the SHA-256 of the resolved recipe.

    ``metric`` is how answers are marked. ``price`` is what a million prompt tokens cost, in the user's currency, None
    where none was named; ``cheapest`` names each model's cheapest budget where a loss was named.
    """

    exam: ExamFacts
    reference: str
    recipe: str
    environment: Environment
    rows: tuple[Row, ...]
    seconds: float
    metric: str = "exact"
    price: float | None = None
    cheapest: tuple[Cheapest, ...] = ()
    schema: str = SCHEMA

    def __post_init__(self) -> None:
        if self.reference not in (readers := [row.reader for row in self.rows]):
            raise SaccadeError(
                f"the reference {self.reference!r} is in none of the {len(readers)} rows; "
                "compare it along with the others"
            )

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The scales that some row has a score on."""
        return tuple(scale for scale in SCALES if any(row.score(scale) is not None for row in self.rows))

    @property
    def ranked(self) -> tuple[Row, ...]:
        """Rows with most visual tokens first; at equal tokens the reference leads and baselines follow the readers."""
        places = {policy: place for place, policy in enumerate(BASELINES)}
        return tuple(
            sorted(
                self.rows,
                key=lambda row: (
                    -round(row.visual_tokens),
                    row.baseline,
                    places.get(row.policy, 0),
                    not self.leads(row),
                ),
            )
        )

    def cost(self, row: Row) -> float | None:
        """What the prompts of a thousand questions cost; None where no price was named, or nobody knows the tokens."""
        return None if self.price is None or row.tokens is None else self.price * row.tokens / 1000

    def leads(self, row: Row) -> bool:
        """Whether ``row`` is the full-token reader itself, looking once."""
        return row.reader == self.reference and row.policy == WHOLE_POLICY

    def to_json(self) -> str:
        """Text that ``from_json`` reads back equal. Raises SaccadeError for a value that no reader would accept."""
        tree = encode(self)
        decode(Results, tree, "results")
        return json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Results":
        """Read strictly. Raises SaccadeError for text that is no JSON, another schema, unknown or missing keys."""
        try:
            tree = json.loads(text)
        except json.JSONDecodeError as error:
            raise SaccadeError(f"results: no JSON at line {error.lineno} column {error.colno}: {error.msg}") from error
        found = tree.get("schema") if isinstance(tree, dict) else None
        if found != SCHEMA:
            raise SaccadeError(
                f"results: the file's schema is {found!r}, this version reads {SCHEMA!r}; "
                "run the comparison again, or read the file with the version that wrote it"
            )
        return cast(Results, decode(Results, tree, "results"))

    def save(self, path: Path) -> None:
        """Write ``to_json()`` whole or not at all. Raises SaccadeError where the folder does not exist."""
        write_whole(path, self.to_json())


def _ordered(ends: Ends | None) -> None:
    if ends is not None and ends[0] > ends[1]:
        raise SaccadeError(f"an interval needs low ≤ high, got {ends[0]} and {ends[1]}")
