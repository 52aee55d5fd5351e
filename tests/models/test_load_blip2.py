"""``load`` of BLIP-2 and InstructBLIP folders: logits, losses and answers equal transformers' own."""

from typing import Any

import pytest
import torch

from saccade.models.store import from_pretrained, load, save_pretrained
from tests.parts import close, picture
from tests.weights.blip2_folders import SIZES, TEXTS, checkpoint, generated, loss_of, theirs

CAUSAL: dict[str, dict[str, Any]] = {
    "opt": {"kind": "opt"},
    "llama": {"kind": "llama"},
    "opt with a head of its own": {"kind": "opt", "text": {"tie_word_embeddings": False}},
    "instructed llama": {"kind": "llama", "instructed": True},
    "instructed opt": {"kind": "opt", "instructed": True},
    "instructed qwen2": {"kind": "qwen2", "instructed": True},
    "every third layer": {"kind": "opt", "qformer": {"cross_attention_frequency": 3, "layer_norm_eps": 1e-3}},
}
WRITING: dict[str, dict[str, Any]] = {
    "t5": {"kind": "t5"},
    "flan": {"kind": "flan"},
    "instructed t5": {"kind": "t5", "instructed": True},
    "instructed flan": {"kind": "flan", "instructed": True},
}
ALL = {**CAUSAL, **WRITING}
PICTURES = [picture(*size) for size in SIZES]
TARGETS = ["two cats</s>", "no", "the left one</s>"]
PROMPTS = [f"<image>{text}" for text in TEXTS]


@pytest.mark.parametrize("options", CAUSAL.values(), ids=list(CAUSAL))
def test_logits_equal_those_of_transformers_alone_and_padded(tmp_path, options):
    model, processor = checkpoint(tmp_path, **options)
    reader = load(tmp_path)
    for image, text, prompt in zip(PICTURES, TEXTS, PROMPTS, strict=True):
        close(reader.logits([image], prompt), theirs(model, processor, [image], [text])[0])
    together = reader.logits([[image] for image in PICTURES], PROMPTS)
    for ours, reference in zip(together, theirs(model, processor, PICTURES, TEXTS), strict=True):
        close(ours, reference)


@pytest.mark.parametrize("options", WRITING.values(), ids=list(WRITING))
def test_logits_of_what_a_t5_writes(tmp_path, options):
    model, processor = checkpoint(tmp_path, **options)
    processor.tokenizer.padding_side = "right"  # as T5's own; between pictures and text, padding would be distance
    reader = load(tmp_path)
    for image, text, prompt, target in zip(PICTURES, TEXTS, PROMPTS, TARGETS, strict=True):
        close(reader.logits([image], prompt, target), theirs(model, processor, [image], [text], [target])[0])
    together = reader.logits([[image] for image in PICTURES], PROMPTS, TARGETS)
    for ours, reference in zip(together, theirs(model, processor, PICTURES, TEXTS, TARGETS), strict=True):
        close(ours, reference)


@pytest.mark.parametrize("options", ALL.values(), ids=list(ALL))
def test_loss_is_theirs_with_labels_on_the_targets(tmp_path, options):
    model, processor = checkpoint(tmp_path, **options)
    reader = load(tmp_path)
    ours = reader.loss([[image] for image in PICTURES], PROMPTS, TARGETS)
    close(ours, loss_of(model, processor, PICTURES, TEXTS, TARGETS))
    ours.backward()
    assert reader.connector.queries.grad is not None


@pytest.mark.parametrize("options", ALL.values(), ids=list(ALL))
def test_answers_equal_greedy_generation(tmp_path, options):
    model, processor = checkpoint(tmp_path, **options)
    if options["kind"] in ("t5", "flan"):
        processor.tokenizer.padding_side = "right"
    reader = load(tmp_path)
    asked = [TEXTS, [], TEXTS[1:]]
    with torch.no_grad():
        answers = reader.ask(reader.encode(PICTURES), asked, max_tokens=6)
    pairs = [(image, text) for image, texts in zip(PICTURES, asked, strict=True) for text in texts]
    images = [image for image, _ in pairs]
    texts = [reader.spec.template.removeprefix("<image>").replace("{question}", text) for _, text in pairs]
    found = [list(answer.tokens) for row in answers for answer in row]
    assert found == generated(model, processor, images, texts, 6)
    assert found == [generated(model, processor, [one], [text], 6)[0] for one, text in zip(images, texts, strict=True)]


@pytest.mark.parametrize("options", ALL.values(), ids=list(ALL))
def test_saved_again_and_loaded_the_reader_is_the_same(tmp_path, options):
    checkpoint(tmp_path / "theirs", **options)
    reader = load(tmp_path / "theirs")
    save_pretrained(reader, tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert again.spec == reader.spec
    images = [[image] for image in PICTURES]
    for ours, before in zip(again.logits(images, PROMPTS), reader.logits(images, PROMPTS), strict=True):
        assert ours.equal(before)
