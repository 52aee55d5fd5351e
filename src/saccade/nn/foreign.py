"""Modules of parts that other packages bring."""

from torch import nn

from saccade.core.errors import SaccadeError
from saccade.specs.parts import ConnectorSpec, TowerSpec


def built(spec: ConnectorSpec | TowerSpec) -> nn.Module:
    """What ``spec.build()`` makes. Raises SaccadeError where that is no module."""
    made = spec.build()
    if not isinstance(made, nn.Module):
        raise SaccadeError(f"{type(spec).__name__}.build() returned {made!r}; return a torch.nn.Module")
    return made
