"""Answer training: one sequence for many questions equals one sequence each."""

import json

import numpy as np
import pytest
import torch

from saccade.backends.embedded.family import LANGUAGE, family
from saccade.connectors import build_connector
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.language.hub import Decoder
from saccade.specs.language.decoder import DecoderSpec
from saccade.training.answers import AnswerJob, ReaderInTraining, exact
from saccade.training.features import Bank, FeatureImage, TrainingQuestion
from saccade.training.sequences import assemble

SMALL = DecoderSpec(
    config=json.dumps({**json.loads(LANGUAGE.config), "num_hidden_layers": 2, "initializer_range": 0.3})
)
ASKED = (
    TrainingQuestion((300, 301, 220), (70, 71, 2), "code", 12.0),
    TrainingQuestion((310, 220), (80, 2), "digit", 9.0),
    TrainingQuestion((320, 321, 322, 220), (400, 2), "layout", float("inf")),
)


def route(name: str, pictures: int = 3) -> ReaderInTraining:
    """A reader over random features."""
    torch.manual_seed(5)
    path = family()[name]
    seen, counts = [], dict[Grid, int]()
    for index in range(pictures):
        layout = path.views.layout(Size(200 + 60 * index, 160))
        rows = []
        for grid in path.grids(layout):
            rows.append((grid, counts.setdefault(grid, 0)))
            counts[grid] += 1
        seen.append(FeatureImage(layout, tuple(rows), ASKED))
    features = {grid: torch.randn(count, grid.tokens, 128).half() for grid, count in counts.items()}
    return ReaderInTraining(path, build_connector(path.connector), Bank(tuple(seen), features))


def job(found: ReaderInTraining, **options: object) -> AnswerJob:
    torch.manual_seed(6)
    return AnswerJob(Decoder(SMALL).eval(), [found], {"connector": found.connector}, batch=2, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["llava", "pool-4", "llava-uhd", "idefics"])
def test_packed_questions_score_as_each_alone(name: str) -> None:
    found = route(name)
    made = job(found)
    pictures = found.bank.pictures
    with torch.inference_mode():
        packed, target = made.scores(found, pictures, [list(ASKED)] * len(pictures))
        alone = [made.scores(found, [picture], [[one]]) for picture in pictures for one in ASKED]
    torch.testing.assert_close(packed, torch.cat([scores for scores, _ in alone]), rtol=1e-4, atol=1e-4)
    assert target.tolist() == [token for _ in pictures for one in ASKED for token in one.answer]


def test_targets_stand_one_place_before_their_tokens() -> None:
    found = route("pool-4", 1)
    batch = assemble(found.spec, found.bank.pictures, [[ASKED[0]]])
    learned = (batch.target[0] >= 0).nonzero().flatten().tolist()
    assert batch.ids[0, learned[0]] == 220
    assert batch.target[0, learned].tolist() == [70, 71, 2]
    assert batch.ids[0, [place + 1 for place in learned[:-1]]].tolist() == [70, 71]


def test_dropped_tokens_leave_their_places_empty() -> None:
    found = route("pool-4", 1)
    batch = assemble(found.spec, found.bank.pictures, [[ASKED[1]]], [np.asarray([0, 3])])
    assert int(batch.marks.sum()) == 2
    assert batch.positions[0, :5].tolist() == [0, 1, 4, 5, 6]


def test_a_step_is_the_same_step_again_and_learns() -> None:
    made = job(route("pool-4"))
    first, again, other = made.losses(0)["answer"], made.losses(0)["answer"], made.losses(1)["answer"]
    assert float(first.detach()) == float(again.detach())
    assert float(first.detach()) != float(other.detach())
    first.backward()
    assert all(weight.grad is not None for weight in made.routes[0].connector.parameters())


def test_thinning_reads_fewer_tokens() -> None:
    made, full = job(route("llava"), thin=True), job(route("llava"))
    values = [(float(made.losses(s)["answer"].detach()), float(full.losses(s)["answer"].detach())) for s in range(6)]
    assert any(abs(thin - whole) > 1e-6 for thin, whole in values)


def test_exact_counts_whole_answers_only() -> None:
    found = route("pool-4")
    shares = exact(job(found), found, 3)
    assert set(shares) == {"code", "digit", "layout"}
    assert all(share in (0.0, 1 / 3, 2 / 3, 1.0) for share in shares.values())
    assert set(exact(job(found), found, 3, least=10.0)) == {"code", "layout"}
