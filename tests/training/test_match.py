"""BLIP-2's first stage in small: what a batch is, and that a step teaches."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from saccade.backends.embedded.family import MATCHER, embedded, family
from saccade.runtime.matcher import Matcher
from saccade.tasks.captions import caption
from saccade.tasks.scenes import Scene
from saccade.training.features import Bank, fill
from saccade.training.match import MatchJob

COUNT, FIRST = 6, 3


@pytest.fixture(scope="module")
def bank() -> Bank:
    reader = embedded("llava")
    scenes = [Scene("calibration", FIRST + index) for index in range(COUNT)]
    return fill(reader.tower, family()["blip2"], reader.tokenizer, scenes)


def job(bank: Bank, *, batch: int = 4, seed: int = 0) -> MatchJob:
    torch.manual_seed(0)
    small = Matcher(replace(MATCHER, qformer=replace(MATCHER.qformer, depth=2)))
    return MatchJob(small, bank, embedded("llava").tokenizer, batch=batch, split="calibration", first=FIRST, seed=seed)


def test_a_caption_and_its_picture_have_one_number(bank):
    made = job(bank)
    ids, real = made.captions([4, 0], np.random.default_rng(5))
    rng = np.random.default_rng(5)
    for row, number in enumerate((4, 0)):
        words = caption(Scene("calibration", FIRST + number), rng)
        told = ids[row][real[row]].tolist()
        assert made.tokenizer.decode(told, skip_special_tokens=True).strip() == words
        assert (told[0], told[-1]) == (MATCHER.cls, made.tokenizer.eos_token_id)
    assert not ids[~real].any()
    seen = made.patches([4, 0])
    whole = torch.cat([bank.features[bank.pictures[n].rows[0][0]][bank.pictures[n].rows[0][1]][None] for n in (4, 0)])
    assert seen.equal(whole.float())
    assert not seen[0].equal(seen[1])


def test_a_step_is_the_same_again_and_others_differ(bank):
    made = job(bank)
    with torch.no_grad():
        first, again, another = (made.losses(step) for step in (0, 0, 1))
        other = job(bank, seed=1).losses(0)
    assert all(first[name].equal(again[name]) for name in first)
    assert not first["itc"].equal(another["itc"])
    assert not first["itc"].equal(other["itc"])


def test_a_batch_is_no_larger_than_the_bank(bank):
    assert {name: loss.shape for name, loss in job(bank, batch=100).losses(0).items()} == dict.fromkeys(
        ("itc", "itm", "itg"), torch.Size([])
    )


def test_training_lowers_all_three(bank):
    made = job(bank, batch=COUNT)
    optimizer = torch.optim.AdamW(made.trained["matcher"].parameters(), lr=3e-3)
    history = []
    for step in range(40):
        losses = made.losses(step)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        history.append({name: float(loss.detach()) for name, loss in losses.items()})
    for name in history[0]:
        before, after = (np.mean([row[name] for row in rows]) for rows in (history[:5], history[-5:]))
        assert after < 0.9 * before, name
