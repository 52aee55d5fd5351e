"""What a comparison says of policies: each against one look and a smaller picture, and how fitted ladders did."""

from dataclasses import dataclass
from typing import cast

from saccade.core.records.codec import parsed, written
from saccade.evaluation.cascade import ExpectedLadder
from saccade.evaluation.results import SCALES, Change
from saccade.evaluation.statistics.reliability import Reliability
from saccade.policies.calibration.certify import Certificate, Refusal
from saccade.tasks.exam import Scale

SCHEMA = "saccade.policies/1"


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The paired difference to another row on the same questions: ``reader`` under ``policy``."""

    reader: str
    policy: str
    visual_tokens: float
    detail: Change | None
    gist: Change | None
    own: Change | None

    def change(self, scale: Scale) -> Change | None:
        """The difference on one scale, None where that was not asked."""
        return {"detail": self.detail, "gist": self.gist, "own": self.own}[scale]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One policy's row set against ``resize`` at equal mean tokens (the smaller picture of the reference, or of the
    reader that was trained for it, whichever answers more; of a model that is not ours its own) and the ``best`` single
    look with no more tokens; None where there is none. ``looks`` are the mean number of requests.
    """

    reader: str
    policy: str
    visual_tokens: float
    looks: float
    resize: PairedDifference | None
    best: PairedDifference | None


@dataclass(frozen=True, slots=True)
class LevelCertificate:
    """A level's certificate, or why there is none."""

    level: int
    certificate: Certificate | None
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class Cascade:
    """A ladder as it was fitted on the ``calibration`` questions and found on the exam's: ``expected`` there; here the
    ``reached`` shares of levels, the first level's ``reliability`` raw and calibrated, and of the certified one the
    share that it answered (``coverage``) and how much of that was wrong (``risk``).
    """

    model: str
    calibration: str
    labels: int
    expected: ExpectedLadder
    reached: tuple[float, ...]
    raw: Reliability
    calibrated: Reliability
    proofs: tuple[LevelCertificate, ...]
    promised: float
    coverage: float
    risk: float | None


@dataclass(frozen=True, slots=True)
class Policies:
    """What a comparison says of policies, beside their rows."""

    exam: str
    verdicts: tuple[Verdict, ...]
    cascades: tuple[Cascade, ...]

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The scales on which some verdict says something."""
        said = [other for one in self.verdicts for other in (one.resize, one.best) if other is not None]
        return tuple(scale for scale in SCALES if any(other.change(scale) is not None for other in said))

    def to_json(self) -> str:
        """Text that ``from_json`` reads back equal."""
        return written(self, SCHEMA)

    @classmethod
    def from_json(cls, text: str) -> "Policies":
        """Read strictly. Raises SaccadeError for any other text."""
        return cast(Policies, parsed(cls, text, SCHEMA, "record of policies"))
