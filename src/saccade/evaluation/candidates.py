"""Candidates: who answers the questions of a comparison."""

from collections.abc import Mapping
from dataclasses import dataclass

from saccade.core.backend import Backend
from saccade.policies.base import Policy
from saccade.policies.single_look import SingleLook

ONCE = "once"


@dataclass(frozen=True, eq=False)
class Model:
    """A model in a comparison under a ``name``: by training seed, the ``backends`` whose answers are pooled.

    ``baseline`` says whether resize, random and uniform rows are made of it. A model that stands ``alone`` is judged
    against its own single looks, the others against those of all of them.
    """

    name: str
    backends: Mapping[int, Backend]
    baseline: bool = False
    alone: bool = False

    @property
    def first(self) -> Backend:
        """The backend of the first training seed."""
        return next(iter(self.backends.values()))


@dataclass(frozen=True, eq=False, kw_only=True)
class Candidate:
    """One row to be: ``policy`` under a ``title``, on the first model of ``bench``, at a ``budget`` of visual tokens.

    ``seed`` is the model's training seed. Where ``detailed``, every look is stored beside the answer.
    """

    model: str
    title: str
    policy: Policy
    bench: Mapping[str, Backend]
    budget: int | None = None
    seed: int = 0
    detailed: bool = False

    @property
    def row(self) -> tuple[str, str, int | None, str]:
        """Equal for candidates that differ in the training seed alone: their answers make one row."""
        return self.model, self.title, self.budget, repr(self.policy)

    @property
    def key(self) -> str:
        """The name of its answers in a journal: equal names mean equal questions to equal models."""
        budget = "" if self.budget is None else f" {self.budget}"
        share = f" {self.policy.share:g}" if isinstance(self.policy, SingleLook) and self.policy.share != 1 else ""
        keep = self.policy.keep if isinstance(self.policy, SingleLook) else None
        part = f" {keep.share:g}" if keep is not None and keep.share is not None else ""
        return f"{self.model} · {self.title}{budget}{share}{part} · seed {self.seed}"

    @property
    def backend(self) -> Backend:
        """The model that it runs on."""
        return next(iter(self.bench.values()))

    @property
    def remote(self) -> bool:
        """Whether some model of it answers elsewhere."""
        return any(model.remote for model in self.bench.values())


def single_looks(model: Model) -> list[Candidate]:
    """One look at the whole picture, for each training seed."""
    return [
        Candidate(model=model.name, title=ONCE, policy=SingleLook(top=0), bench={model.name: backend}, seed=seed)
        for seed, backend in model.backends.items()
    ]
