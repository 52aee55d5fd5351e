"""The training loop: one schedule, two optimisers, checkpoints that resume to the same curve.

A job makes its batch from the number of the step alone, so that step 900 after a resume is step 900. It draws on the
CPU, whatever the device, and moves what it drew to where its weights are. A checkpoint resumes on any device.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final, runtime_checkable

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import AdamW, Optimizer

from saccade.core.errors import SaccadeError
from saccade.core.interface.progress import Report as Report
from saccade.training.compute import Compute, update
from saccade.training.muon import Muon

MUON_FACTOR = 8.0
"""Muon's rate over AdamW's."""
NOT_MATRICES = ("embed", "positions", "query", "queries", "latents", "heads.", "words", "places")
"""Two-dimensional weights that are tables or read-outs, by a part of their name: AdamW trains them."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Linear warm-up, then a cosine down to ``floor`` × ``lr``; gradients clipped to norm 1."""

    steps: int
    batch: int
    lr: float = 2e-3
    warmup: int = 100
    floor: float = 0.05

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.lr <= 0:
            raise SaccadeError(
                f"a schedule needs steps, batch and lr above 0, got {self.steps}, {self.batch}, {self.lr}"
            )

    def rate(self, step: int) -> float:
        """The learning rate's share of ``lr`` at ``step``, counted from 0."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return warm * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps))))


@runtime_checkable
class TrainingJob(Protocol):
    """What is trained: ``trained`` modules by name, and the loss terms of a step, already weighted."""

    @property
    def trained(self) -> Mapping[str, nn.Module]:
        """Modules by name."""
        ...

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Terms of the loss at a step."""
        ...


def run(
    job: TrainingJob,
    schedule: Schedule,
    *,
    compute: Compute | None = None,
    checkpoint: Path | None = None,
    every: int = 100,
    report: Report | None = None,
) -> None:
    """Train ``job`` to the end of ``schedule``, saving ``checkpoint`` every so many steps and resuming from it.

    What it trains is moved to the device of ``compute`` (None: the CPU, in float32) and stays there; what is frozen has
    to be there already.
    """
    compute = compute or Compute()
    for module in job.trained.values():
        module.to(compute.device)
    named = [
        (f"{part}.{name}", weight) for part, module in job.trained.items() for name, weight in module.named_parameters()
    ]
    weights = [weight for _, weight in named]
    state = _State(job, optimisers(named, schedule.lr), compute.scaler())
    step = state.load(schedule, checkpoint) if checkpoint is not None and checkpoint.exists() else 0
    for module in job.trained.values():
        module.train()
    while step < schedule.steps:
        for maker in state.makers:
            for group in maker.param_groups:
                group["lr"] = group["top"] * schedule.rate(step)
            maker.zero_grad()
        with compute.forward():
            terms = job.losses(step)
        update(torch.stack([term.float() for term in terms.values()]).sum(), weights, state.makers, state.scaler)
        step += 1
        if report is not None:
            report(step, {name: float(term.detach()) for name, term in terms.items()})
        if checkpoint is not None and (step % every == 0 or step == schedule.steps):
            state.save(schedule, step, checkpoint)
    for module in job.trained.values():
        module.eval()


def optimisers(named: Iterable[tuple[str, Tensor]], lr: float) -> list[Optimizer]:
    """Muon for matrices, AdamW for the rest. Convolutions on raw pixels count as the rest."""
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, weight in named:
        is_matrix = weight.ndim == 2 or (weight.ndim == 4 and weight.shape[1] > 3)
        (matrices if is_matrix and not any(part in name for part in NOT_MATRICES) else others).append(weight)
    made: list[Optimizer] = []
    if matrices:
        made.append(Muon(matrices, lr=lr * MUON_FACTOR))
    if others:
        made.append(AdamW(others, lr=lr, betas=(0.9, 0.98), weight_decay=0.0))
    for maker in made:
        for group in maker.param_groups:
            group["top"] = group["lr"]
    return made


@final
@dataclass(frozen=True, slots=True)
class _State:
    """All that changes in training."""

    job: TrainingJob
    makers: Sequence[Optimizer]
    scaler: GradScaler

    def save(self, schedule: Schedule, step: int, path: Path) -> None:
        """Write it whole, or not at all."""
        state = {
            "step": step,
            "steps": schedule.steps,
            "modules": {name: module.state_dict() for name, module in self.job.trained.items()},
            "optimisers": [maker.state_dict() for maker in self.makers],
            "scaler": self.scaler.state_dict(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, path)

    def load(self, schedule: Schedule, path: Path) -> int:
        """Read it, whatever device it was written on, and the step to go on with."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["steps"] != schedule.steps:
            raise SaccadeError(
                f"the checkpoint {path} was made for {state['steps']} steps, the recipe asks for {schedule.steps}; "
                "train into another folder or set the recipe's steps back"
            )
        for name, module in self.job.trained.items():
            module.load_state_dict(state["modules"][name])
        for maker, saved in zip(self.makers, state["optimisers"], strict=True):
            maker.load_state_dict(saved)
        if state.get("scaler"):  # empty but in float16
            self.scaler.load_state_dict(state["scaler"])
        return int(state["step"])
