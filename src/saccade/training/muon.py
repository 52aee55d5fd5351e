"""Muon: momentum, made orthogonal, for weights that are matrices.

Source: Jordan et al. 2024, as in ``torch.optim.Muon``, with two differences. The Newton-Schulz
iteration runs in the weights' own precision: torch casts it to bfloat16, which a CPU without bfloat16
units multiplies several times slower. And convolutions count as matrices of outputs × everything else.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ROUNDS = 5


class Muon(Optimizer):
    """``lr`` is the size of the orthogonal step; about eight times AdamW's works."""

    def __init__(self, weights: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update with Nesterov momentum; tall matrices step by √(rows / columns) more."""
        del closure
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                average = self.state[weight].setdefault("average", torch.zeros_like(weight))
                average.lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(average, group["momentum"]).flatten(1)
                tall = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
                weight.add_(orthogonal(ahead).view_as(weight), alpha=-group["lr"] * tall)


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix with singular values near 1, by five quintic Newton-Schulz rounds."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
