"""The foveated reader's stage: where the evidence lies, and that a little of it teaches where to look."""

from dataclasses import replace
from math import inf

import pytest
import torch

from saccade.backends.embedded.family import embedded, family
from saccade.connectors import build_connector
from saccade.core.box import Box
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.specs.connectors.foveal import FovealSpec
from saccade.tasks.scenes import Scene
from saccade.training.answers import ReaderInTraining
from saccade.training.features import Bank, FeatureImage, TrainingQuestion, fill
from saccade.training.foveated import FovealJob, evidence, padded
from saccade.training.loop import Schedule, run

GRID = Grid(32, 32)


@pytest.fixture(scope="module")
def bank() -> Bank:
    reader = embedded("llava")
    return fill(reader.tower, family()["foveated"], reader.tokenizer, [Scene("calibration", n) for n in range(6)])


def job(bank: Bank, batch: int = 4) -> FovealJob:
    reader, path = embedded("llava"), family()["foveated"]
    for weight in reader.parameters():
        weight.requires_grad_(False)
    assert isinstance(path.connector, FovealSpec)
    torch.manual_seed(0)
    spec = replace(path.connector, asked=32)
    return FovealJob(
        reader.language, ReaderInTraining(replace(path, connector=spec), build_connector(spec), bank), batch=batch
    )


def seen(width: int, height: int) -> FeatureImage:
    return FeatureImage(family()["foveated"].views.layout(Size(width, height)), ((GRID, 0),), ())


@pytest.mark.parametrize(
    ("box", "rows", "cols"),
    [
        (Box(100, 100, 156, 156), (15, 17), (15, 17)),  # the middle of 256 × 256
        (Box(0, 0, 10, 10), (0, 2), (0, 2)),
        (Box(250, 250, 256, 256), (30, 32), (30, 32)),
        (Box(60, 196, 68, 204), (24, 26), (7, 9)),
    ],
)
def test_evidence_is_four_patches_around_its_middle(box, rows, cols):
    one = TrainingQuestion((7,), (8,), "digit", 12.0, (box,))
    found = evidence([seen(256, 256)], [one], GRID).view(32, 32)
    assert found.sum() == 4
    assert found[slice(*rows), slice(*cols)].all()
    wide = evidence([seen(512, 256)], [replace(one, evidence=(Box(0, 0, 512, 256),))], GRID).view(32, 32)
    assert wide[15:17, 15:17].all()  # a padded picture's middle is the view's


def test_gist_has_no_place():
    one = TrainingQuestion((7,), (8,), "count", inf, (Box(0, 0, 256, 256),))
    assert not evidence([seen(256, 256)], [one], GRID).any()


def test_questions_are_spelt_as_when_they_are_asked(bank):
    tokenizer = embedded("llava").tokenizer
    scene = Scene("calibration", 0)
    ids, real = padded([one.question for one in bank.pictures[0].asked])
    for row, question in enumerate(scene.questions):
        wanted = tokenizer(family()["foveated"].template.replace("<image>", "").replace("{question}", question.text))
        assert ids[row][real[row]].tolist() == wanted["input_ids"]


def test_steps_repeat_and_teach_where_to_look(bank):
    made = job(bank)
    with torch.no_grad():
        assert made.losses(3) == made.losses(3)
        before = [float(made.losses(step)["aim"]) for step in range(100, 104)]
    run(made, Schedule(steps=30, batch=4, warmup=2, lr=4e-3))
    with torch.no_grad():
        after = [float(made.losses(step)["aim"]) for step in range(100, 104)]
    assert sum(after) < 0.8 * sum(before)


def test_only_the_connector_learns(bank):
    made = job(bank)
    torch.stack(list(made.losses(0).values())).sum().backward()
    assert all(weight.grad is not None for weight in made.connector.parameters())
    assert all(weight.grad is None for weight in made.language.parameters())
