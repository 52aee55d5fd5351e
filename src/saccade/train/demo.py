"""Train one embedded connector again from nothing, against the shipped tower and language model."""

from pathlib import Path

import torch

from saccade.connectors import build_connector
from saccade.core.errors import unknown
from saccade.language.hub import Decoder
from saccade.models.base import Reader
from saccade.models.cards import cards
from saccade.models.embedded import embedded
from saccade.tasks.scenes import Scene
from saccade.train.answers import AnswerJob, Route
from saccade.train.family import FIRST, Tell
from saccade.train.features import fill
from saccade.train.loop import Schedule, run
from saccade.train.stages import THIN

SCHEDULE = Schedule(steps=500, batch=24, lr=2e-3)
PICTURES = 2000


def demo_name(wanted: str) -> str:
    """The embedded reader meant by ``resampler-16`` or just ``resampler``: the first whose name starts so."""
    names = [name for name in cards() if name != THIN]
    for name in names:
        if wanted == name or name.startswith(f"{wanted}-"):
            return name
    raise unknown("connector to train", wanted, names)


def retrain(name: str, folder: Path, tell: Tell, schedule: Schedule = SCHEDULE, pictures: int = PICTURES) -> Reader:
    """The reader ``name`` with a connector trained from nothing; resumes from the folder's checkpoint."""
    shipped = embedded(name)
    for weight in shipped.parameters():
        weight.requires_grad_(False)
    torch.manual_seed(schedule.steps)
    connector = build_connector(shipped.spec.connector)
    scenes = [Scene("train", FIRST + index) for index in range(pictures)]
    bank = fill(shipped.tower, shipped.spec, shipped.tokenizer, scenes, report=tell("features", pictures))
    assert isinstance(shipped.language, Decoder)
    job = AnswerJob(
        shipped.language,
        [Route(shipped.spec, connector, bank, shipped.cross)],
        {"connector": connector},
        batch=schedule.batch,
        seed=1,
    )
    run(job, schedule, checkpoint=folder / f"demo-{name}.pt", report=tell(name, schedule.steps))
    shipped.connector = connector
    return shipped.eval()
