"""Folders in the Hub's layout: loaded as they were saved, or refused."""

import json

import pytest
from safetensors.torch import load_file, save_file

from saccade.backends.hosted import HostedBackend, load_hosted
from saccade.core.backend import Job
from saccade.core.errors import SaccadeError
from saccade.core.request import Ask
from tests.backends.hosted.families import FAMILIES, made
from tests.parts import picture

JOB = Job("a", picture(50, 34), Ask(question="What is it?", max_tokens=3))


def saved(kind, folder):
    model, processor = made(kind)
    model.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)
    processor.tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(processor.chat_template, encoding="utf-8")
    names = ("image_seq_len", "image_seq_length", "patch_size", "vision_feature_select_strategy")
    held = {name: vars(processor)[name] for name in (*names, "num_additional_image_tokens") if name in vars(processor)}
    (folder / "processor_config.json").write_text(json.dumps(held), encoding="utf-8")
    return HostedBackend(model, processor)


@pytest.mark.parametrize("kind", FAMILIES)
def test_comes_back_as_it_was(kind, tmp_path):
    host = saved(kind, tmp_path)
    found = load_hosted(tmp_path)
    assert found.caps == host.caps
    assert found.name == tmp_path.name
    ours, theirs = host.run([JOB])[0], found.run([JOB])[0]
    said, again = ours.observation, theirs.observation
    assert (said.text, said.tokens) == (again.text, again.tokens)
    # Weights read from a file lie elsewhere in memory, and a matrix product may add in another order there.
    assert said.logprobs == pytest.approx(again.logprobs, abs=1e-5)
    assert ours.views == theirs.views


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # its processor's own
def test_other_types_come_with_their_own_processor(tmp_path):
    _, processor = made("paligemma")
    saved("paligemma", tmp_path)
    type(processor).__mro__[1].save_pretrained(processor, tmp_path)
    found = load_hosted(tmp_path)
    assert found.eyes is None
    assert len(found.run([JOB])[0].observation.tokens) == 3


def test_refuses(tmp_path):
    saved("llava", tmp_path)
    with pytest.raises(SaccadeError, match=r"unknown dtype 'float23'; did you mean float32"):
        load_hosted(tmp_path, dtype="float23")
    weights = load_file(tmp_path / "model.safetensors")
    name = next(iter(weights))
    save_file({key: value for key, value in weights.items() if key != name}, tmp_path / "model.safetensors")
    with pytest.raises(SaccadeError, match=r"lacks 1 weights of LlavaForConditionalGeneration, the first is"):
        load_hosted(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(SaccadeError, match=r"holds neither model.safetensors nor"):
        load_hosted(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(SaccadeError, match=r"gives no processor: .*save it into the folder too"):
        load_hosted(tmp_path)
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(SaccadeError, match=r"gives no processor|does not load as a model of type 'llama'"):
        load_hosted(tmp_path)
