"""What every reader of the catalogue keeps, whatever its parts."""

from functools import cache

import pytest
import torch

from saccade.architectures import COMPOSITIONS
from saccade.backends.random_init import build, spec_of
from saccade.backends.store import from_pretrained, save_pretrained
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.runtime.reader import Reader
from saccade.specs.layouts.sequence import Tokens
from tests.parts import counted, picture, shake

NAMES = list(COMPOSITIONS)
SIZES = [(28, 28), (90, 41), (33, 71), (64, 64)]
PRESETS = [(name, preset) for name in NAMES for preset in COMPOSITIONS[name].presets]
QUESTION = "What is it?"
LAST = 1
"""The last layer of the small Q-Formers."""


@cache
def reader(name: str) -> Reader:
    """Weights off their first values: gates that start at zero would hide the picture."""
    made = build(name)
    shake(made)
    return made


def answers(made: Reader, sizes: list[tuple[int, int]]) -> list[tuple[int, ...]]:
    with torch.no_grad():
        encoded = made.encode([picture(*size) for size in sizes])
    return [answer.tokens for (answer,) in made.ask(encoded, [[QUESTION]] * len(sizes), max_tokens=4)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_plan_is_what_runs(name, size):
    made = reader(name)
    plan = made.plan(Size(*size), QUESTION)
    with torch.no_grad():
        (encoded,) = made.encode([picture(*size)])
    prompt = made.prompt(made.spec.template.replace("{question}", QUESTION), [encoded])
    text = len(made.tokenizer(made.spec.template.replace("<image>", "").replace("{question}", QUESTION))["input_ids"])
    assert plan.visual_tokens == encoded.count == len(encoded.ledger)
    assert plan.length == len(prompt.ids) == plan.slots + text
    spans = made.spec.spans(encoded.layout)
    assert prompt.visual_tokens == sum(span.count for span in spans if isinstance(span, Tokens))
    assert plan.visual_tokens == (plan.cross_keys if made.spec.cross else prompt.visual_tokens)
    assert plan.layout == encoded.layout
    assert plan.kv_bytes > 0


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_finite_and_as_long_as_the_plan(name):
    made = reader(name)
    scores = made.logits([picture(*SIZES[1])], made.spec.template.replace("{question}", QUESTION))
    assert scores.shape == (made.plan(Size(*SIZES[1]), QUESTION).length, made.spec.language.vocabulary)
    assert scores.dtype == torch.float32
    assert bool(scores.isfinite().all())


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_gets_a_gradient(name):
    made = build(name)
    shake(made)
    (encoded,) = made.encode([picture(90, 41)])
    prompt = made.prompt("<image>" + "".join(map(chr, range(1, 128))), [encoded])
    (scores,) = made.scores([prompt], [[encoded]])
    scores.logsumexp(-1).square().sum().backward()
    lacking = [key for key, weight in made.named_parameters() if weight.grad is None or not bool(weight.grad.any())]
    if made.spec.connector.reads_prompt:  # what its last layer would make of the words, nobody reads
        lacking = [key for key in lacking if not key.startswith(f"connector.layers.{LAST}.feed_text.")]
        # Where to look is chosen, and learned from where the evidence lies, not from answers.
        lacking = [key for key in lacking if not key.startswith("connector.choice.")]
    assert not lacking


@pytest.mark.parametrize("name", NAMES)
def test_what_is_saved_is_what_is_loaded(name, tmp_path):
    made = reader(name)
    save_pretrained(made, tmp_path / "reader")
    again = from_pretrained(tmp_path / "reader")
    assert again.spec == made.spec
    assert again.state_dict().keys() == made.state_dict().keys()
    assert all(tensor.equal(made.state_dict()[key]) for key, tensor in again.state_dict().items())
    prompt = made.spec.template.replace("{question}", QUESTION)
    assert again.logits([picture(90, 41)], prompt).equal(made.logits([picture(90, 41)], prompt))
    assert answers(again, SIZES) == answers(made, SIZES)


@pytest.mark.parametrize("name", NAMES)
def test_company_in_the_batch_changes_nothing(name):
    made = reader(name)
    together = answers(made, SIZES)
    assert together == [answers(made, [size])[0] for size in SIZES]
    assert together == answers(made, SIZES[::-1])[::-1]


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_the_weights(name):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, same, other = build(name, seed=1), build(name, seed=1), build(name, seed=2)
    assert torch.random.get_rng_state().equal(before)
    assert all(tensor.equal(same.state_dict()[key]) for key, tensor in first.state_dict().items())
    assert not all(tensor.equal(other.state_dict()[key]) for key, tensor in first.state_dict().items())
    assert first.tokenizer.get_vocab() == other.tokenizer.get_vocab()
    assert not first.training


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_matters(name):
    made = reader(name)
    prompt = made.spec.template.replace("{question}", QUESTION)
    first, other = (made.logits([picture(64, 64, seed)], prompt) for seed in (0, 1))
    assert not torch.allclose(first, other)


@pytest.mark.parametrize(("name", "preset"), PRESETS, ids=[f"{name}-{preset}" for name, preset in PRESETS])
def test_published_sizes_have_the_weights_that_are_planned(name, preset):
    """Built without memory for the weights."""
    spec = spec_of(name, preset)
    planned = spec.plan(Size(640, 480), 0)
    made = counted(lambda: build(name, preset), lambda _: None)
    assert made.params == planned.params
    assert planned.length <= spec.language.context


def test_unknown_names_get_near_matches():
    with pytest.raises(SaccadeError, match=r"unknown reader 'lava'; did you mean llava"):
        build("lava")
    with pytest.raises(SaccadeError, match=r"unknown preset of llava '1\.5-8b'; did you mean 1\.5-7b"):
        build("llava", "1.5-8b")


def test_the_catalogue_says_how_true_each_entry_is():
    for entry in COMPOSITIONS.values():
        assert entry.fidelity in ("exact", "faithful", "survey")
        assert "tiny" in entry.presets
        assert entry.fidelity == "exact" or entry.assumptions
