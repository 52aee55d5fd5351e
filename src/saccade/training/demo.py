"""Train one embedded connector again from nothing, against the shipped tower and language model."""

from pathlib import Path

import torch

from saccade.backends.embedded.family import embedded
from saccade.backends.embedded.manifest import cards
from saccade.connectors import build_connector
from saccade.core.errors import unknown
from saccade.runtime.reader import Reader
from saccade.training.compute import Compute
from saccade.training.connector import train_alone
from saccade.training.family import StageProgress
from saccade.training.loop import Schedule
from saccade.training.stages import THIN

SCHEDULE = Schedule(steps=500, batch=24, lr=2e-3)
PICTURES = 2000


def demo_name(wanted: str) -> str:
    """The embedded reader meant by ``resampler-16`` or just ``resampler``: the first whose name starts so."""
    names = [name for name in cards() if name != THIN]
    for name in names:
        if wanted == name or name.startswith(f"{wanted}-"):
            return name
    raise unknown("connector to train", wanted, names)


def retrain(
    name: str,
    folder: Path,
    tell: StageProgress,
    schedule: Schedule = SCHEDULE,
    pictures: int = PICTURES,
    compute: Compute | None = None,
) -> Reader:
    """The reader ``name`` with a connector trained from nothing; resumes from the folder's checkpoint."""
    shipped = embedded(name)
    torch.manual_seed(schedule.steps)
    shipped.connector = build_connector(shipped.spec.connector)
    checkpoint = folder / f"demo-{name}.pt"
    return train_alone(shipped, schedule, pictures, seed=1, compute=compute, checkpoint=checkpoint, tell=tell)
