"""Where training runs and in which numbers: the one place that says so.

Weights, gradients and the optimisers' state are float32 on every device. In ``bfloat16`` and ``float16`` the forward
pass runs under autocast; float16 gradients are scaled up, so that small ones do not vanish.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from saccade.backends.devices import device_of
from saccade.backends.placement import AUTO, Placement
from saccade.core.errors import SaccadeError

CPU = torch.device("cpu")
GRADIENT = 1.0
"""Largest norm of the gradient of a step; longer ones are cut to it."""


@final
@dataclass(frozen=True, slots=True)
class Compute:
    """A device, and the type of numbers that the forward pass runs in; by default float32 on the CPU."""

    device: torch.device = CPU
    dtype: torch.dtype = torch.float32

    def forward(self) -> AbstractContextManager[object]:
        """The context of a forward pass: autocast, or nothing in float32."""
        return nullcontext() if self.dtype == torch.float32 else torch.autocast(self.device.type, dtype=self.dtype)

    def scaler(self) -> GradScaler:
        """What scales losses and gradients in float16; in other types it does nothing."""
        return GradScaler(self.device.type, enabled=self.dtype == torch.float16)

    def __str__(self) -> str:
        return f"{self.device} in {str(self.dtype).removeprefix('torch.')}"


def compute_of(device: str = AUTO, dtype: str = AUTO) -> Compute:
    """What ``device`` and ``dtype`` stand for in training, see ``Placement``.

    ``auto`` is the first of cuda, mps and cpu that there is, and bfloat16 on a cuda device that has it, else float32.
    Raises SaccadeError for unknown names, a device that this machine lacks, and numbers that the device does not train
    in.
    """
    place = Placement(device, dtype)
    found = device_of(place.device)
    has_bfloat16 = found.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    if place.dtype == AUTO:
        return Compute(found, torch.bfloat16 if has_bfloat16 else torch.float32)
    if place.dtype == "float16" and found.type != "cuda":
        raise SaccadeError(
            f"training in float16 scales its gradients on a cuda device only, got the device {found}; take bfloat16, "
            "float32 or auto"
        )
    if place.dtype == "bfloat16" and found.type == "cuda" and not has_bfloat16:
        raise SaccadeError(f"the device {found} does not compute in bfloat16; take float16, float32 or auto")
    return Compute(found, getattr(torch, place.dtype))


def device_in(module: nn.Module) -> torch.device:
    """Where a module's weights are."""
    return next(module.parameters()).device


def update(loss: Tensor, weights: Sequence[Tensor], makers: Sequence[Optimizer], scaler: GradScaler) -> None:
    """One step down the gradient of ``loss``; a step whose scaled gradients overflow is left out."""
    scaler.scale(loss).backward()
    for maker in makers:
        scaler.unscale_(maker)
    torch.nn.utils.clip_grad_norm_(weights, GRADIENT)
    for maker in makers:
        scaler.step(maker)
    scaler.update()
