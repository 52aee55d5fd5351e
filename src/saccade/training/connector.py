"""Train any connector on generated scenes, between the embedded tower and the embedded language model."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from saccade.backends.embedded.family import embedded
from saccade.backends.placement import AUTO
from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import instance, number, path, whole
from saccade.core.interface.arguments import seed as seed_of
from saccade.language.hub import Decoder
from saccade.runtime.about import About
from saccade.runtime.reader import Reader
from saccade.specs.parts import ConnectorSpec
from saccade.tasks.scenes import Scene
from saccade.training.answers import AnswerJob, ReaderInTraining
from saccade.training.compute import Compute, compute_of
from saccade.training.family import FIRST, StageProgress
from saccade.training.features import fill
from saccade.training.loop import Schedule, run

BASE = "llava"
"""The embedded model whose tower and language model are used, as they are."""


def train_connector(
    connector: ConnectorSpec,
    *,
    steps: int = 500,
    pictures: int = 2000,
    batch: int = 24,
    lr: float = 2e-3,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    device: str = AUTO,
    dtype: str = AUTO,
    tell: StageProgress | None = None,
) -> Reader:
    """Train ``connector`` for ``steps`` batches of generated ``pictures``; tower and language model stay frozen.

    It takes and makes 128 channels. The result is a whole model that answers, is saved and is compared like any other.
    ``checkpoint`` is a file that the run resumes from; ``seed`` decides the first weights and the order of pictures.
    ``device`` is auto, cpu, cuda or mps, where the model stays; ``dtype`` is what the forward pass runs in (auto,
    float32, bfloat16 or float16), weights are float32. ``auto`` is bfloat16 on a cuda device that has it, else float32.
    Raises SaccadeError for connectors of other widths, for those that read the prompt or the pixels, and for a device
    that this machine lacks.
    """
    instance("connector", connector, ConnectorSpec, "the spec of a connector (saccade.specs.parts.ConnectorSpec)")
    for what, value in (("steps", steps), ("pictures", pictures), ("batch", batch)):
        whole(what, value, 1)
    number("lr", lr, above=True)
    seed_of("seed", seed)
    place = None if checkpoint is None else path("checkpoint", checkpoint)
    if tell is not None:
        instance("tell", tell, StageProgress, "a saccade.core.interface.progress.StageProgress")
    compute = compute_of(device, dtype)
    schedule = Schedule(steps=steps, batch=batch, lr=lr, warmup=min(100, steps))
    base = embedded(BASE)
    reader = fitted(base, connector, seed)
    told = f"{type(connector).__name__} trained for {steps} steps before the frozen language model of {BASE}"
    reader.about = About("survey", base.about.tuned, told)
    return train_alone(reader, schedule, pictures, seed=seed, compute=compute, checkpoint=place, tell=tell)


def fitted(base: Reader, connector: ConnectorSpec, seed: int) -> Reader:
    """``base`` with a new connector, whose weights are drawn by ``seed``; the other parts are shared."""
    for stage, unsupported in {"the prompt": connector.reads_prompt, "the pixels": connector.reads_pixels}.items():
        if unsupported:
            raise SaccadeError(
                f"{type(connector).__name__} reads {stage} beside the patches, which are all that is stored while a "
                "connector trains alone; train it with your own loop: Reader.loss(images, prompts, targets)"
            )
    spec = replace(base.spec, connector=connector)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = Reader(spec, base.tokenizer)
    made.tower, made.language, made.cross = base.tower, base.language, base.cross
    return made


def train_alone(
    reader: Reader,
    schedule: Schedule,
    pictures: int,
    *,
    seed: int,
    compute: Compute | None = None,
    checkpoint: str | Path | None = None,
    tell: StageProgress | None = None,
) -> Reader:
    """Train the connector of ``reader`` and nothing else, on the generated scenes that connectors learn from.

    The whole reader is moved to the device of ``compute`` (None: the CPU, in float32) and stays there.
    """
    tell, compute = tell or StageProgress(), compute or Compute()
    reader.to(compute.device)
    for weight in reader.parameters():
        weight.requires_grad_(False)
    reader.connector.requires_grad_(True)
    language = reader.language
    assert isinstance(language, Decoder)
    scenes = [Scene("train", FIRST + index) for index in range(pictures)]
    bank = fill(reader.tower, reader.spec, reader.tokenizer, scenes, report=tell("features", pictures))
    route = ReaderInTraining(reader.spec, reader.connector, bank, reader.cross)
    parts: dict[str, nn.Module] = {"connector": reader.connector}
    job = AnswerJob(language, [route], parts, batch=schedule.batch, seed=seed)
    place = None if checkpoint is None else Path(checkpoint)
    run(job, schedule, compute=compute, checkpoint=place, report=tell("connector", schedule.steps))
    return reader.eval()
