"""Costs of published models are those of `transformers`' own classes at released size, stage by stage.

A few models whose classes count quickly stand for all; ``SACCADE_EXACT=1`` in the environment counts every one.
"""

import os

import pytest

import saccade
from tests.exact import meta

QUICK = ("llava-1.5-7b", "blip2-opt-2.7b", "idefics-9b", "smolvlm-256m", "gemma-3-4b", "ovis2-8b", "qwen3-vl-8b")
SLOW = (
    "instructblip-7b",
    "idefics2-8b",
    "idefics3-8b",
    "smolvlm-2.2b",
    "deepseek-ocr-2",
    "qwen2.5-vl-7b",
    "paligemma-3b-448",
    "kimi-k2.5",
    "internvl3-8b",
    "colpali-v1.3",
    "colqwen2-v1.0",
    "clip-vit-l-14-336",
    "align-base",
    "perceiver-fourier",
)
MODELS = (*QUICK, *SLOW) if os.environ.get("SACCADE_EXACT") else QUICK
SIZES = ((1024, 768), (300, 1500))
TEXT = 37
OPTIONS = {"instructblip-7b": {"instruction": TEXT}}
"""InstructBLIP's Q-Former reads the question too."""


LONG = 6000
"""Beyond every window."""


def planned(name, size, text=TEXT):
    width, height = size
    return saccade.plan(name, width=width, height=height, text=text, **OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_those_of_the_class(name):
    plan = planned(name, SIZES[0])
    assert {stage: getattr(plan, stage).params for stage in meta.STAGES} == meta.stages(name)
    assert plan.params == meta.params(name)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_flops_are_what_torch_counts(name, size):
    plan = planned(name, size)
    views = [(view.size.width, view.size.height) for view in plan.views]
    assert {stage: getattr(plan, stage).flops for stage in meta.STAGES} == meta.flops(name, views, plan.length, TEXT)


@pytest.mark.parametrize("text", [TEXT, LONG])
@pytest.mark.parametrize("name", [name for name in MODELS if meta.answers(name)])
def test_a_further_token_and_the_cache_before_it(name, text):
    plan = planned(name, SIZES[0], text)
    flops, numbers = meta.token(name, plan.length)
    assert plan.token.flops == flops
    # A window of n is remembered as n - 1 positions, the next token being the last of it.
    assert plan.kv_bytes == pytest.approx(numbers * plan.setting.number, rel=1e-3)
