"""``load`` of BLIP-2 and InstructBLIP folders: logits, losses and answers equal transformers' own."""

import shutil
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Blip2ForConditionalGeneration, BlipImageProcessorPil

from saccade.architectures.blip2.checkpoint import INSTRUCTOR
from saccade.backends.store import from_pretrained, load, save_pretrained
from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.size import Size
from saccade.language.prompt import PLACEHOLDER
from saccade.specs.layouts.resize import StretchSpec
from tests.architectures.blip2.folders import QUERIES, SIZES, TEXTS, change, checkpoint, generated, loss_of, theirs
from tests.architectures.llava.folders import IMAGE, edit, tokenizer
from tests.parts import close, picture

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


def test_their_processor_pads_instructions_on_the_language_models_side(tmp_path):
    """Why references here pad them anew: by its own padding, a picture's scores depend on its company."""
    model, processor = checkpoint(tmp_path, "llama", instructed=True)
    inputs = processor(images=PICTURES, text=TEXTS, padding=True, return_tensors="pt")
    assert not bool(inputs["qformer_attention_mask"][:2, 0].any())
    with torch.inference_mode():
        shifted = model.get_image_features(
            inputs["pixel_values"], inputs["qformer_input_ids"], inputs["qformer_attention_mask"]
        ).pooler_output
        alone = processor(images=PICTURES[0], text=TEXTS[0], return_tensors="pt")
        straight = model.get_image_features(alone["pixel_values"], alone["qformer_input_ids"]).pooler_output
    assert not torch.allclose(shifted[0], straight[0], atol=1e-3)


def test_answers_end_where_the_language_models_own_config_says(tmp_path):
    checkpoint(tmp_path)
    edit(tmp_path / "generation_config.json", eos_token_id=[5, 6])
    assert Blip2ForConditionalGeneration.from_pretrained(tmp_path).language_model.generation_config.eos_token_id == 257
    assert load(tmp_path).spec.language.ends == (257,)
    change(tmp_path, "text_config", eos_token_id=None)
    assert load(tmp_path).spec.language.ends == (5, 6)


@pytest.mark.parametrize("kind", ["opt", "t5"])
def test_the_spec_says_what_the_files_say(tmp_path, kind):
    image = {"size": {"height": 21, "width": 35}, "resample": 2, "image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3]}
    checkpoint(tmp_path, kind, image=image)
    spec = load(tmp_path).spec
    assert spec.views == StretchSpec(size=Size(35, 21))
    assert (spec.mean, spec.std, spec.resample) == ((0.1, 0.2, 0.3), (1, 2, 3), "bilinear")
    assert (spec.image_id, spec.sequence.front, spec.connector.tokens(Grid(4, 4))) == (IMAGE, True, QUERIES)
    assert spec.template == f"<image>Question: {{question}} {'Short answer' if kind == 't5' else 'Answer'}:"


def test_the_image_processors_defaults_are_its_classs(tmp_path):
    checkpoint(tmp_path)
    edit(tmp_path / "processor_config.json", image_processor={})
    spec, theirs = load(tmp_path).spec, BlipImageProcessorPil()
    assert spec.views == StretchSpec(size=Size(384, 384))
    assert (spec.mean, spec.std) == (tuple(theirs.image_mean), tuple(theirs.image_std))
    assert spec.resample == "bicubic" == theirs.resample.name.lower()


def test_a_checkpoint_from_before_there_was_a_placeholder(tmp_path):
    """Its tokenizer may lack one too: the picture's id is then one that no text has, and changes nothing."""
    checkpoint(tmp_path)
    before = load(tmp_path).logits([PICTURES[1]], PROMPTS[1])
    change(tmp_path, None, image_token_index=None)
    assert load(tmp_path).spec.image_id == IMAGE
    plain = tokenizer()
    for file in tmp_path.glob("tokenizer*"):
        text = file.read_text().replace(PLACEHOLDER, "<picture>")
        file.write_text(text)
    reader = load(tmp_path)
    assert PLACEHOLDER not in reader.tokenizer.get_vocab()
    assert reader.spec.image_id == 270 >= len(plain)
    assert reader.logits([PICTURES[1]], PROMPTS[1]).equal(before)


def test_refuses_what_no_part_here_has(tmp_path):
    checkpoint(tmp_path)
    config = (tmp_path / "config.json").read_text()
    for inside, changes, message in (
        ("qformer_config", {"hidden_act": "relu"}, r"activation is 'relu', here it is 'gelu'"),
        ("qformer_config", {"use_qformer_text_input": True}, r"words that nothing feeds it; set it to false"),
        ("text_config", {"model_type": "gpt2"}, r"is a 'gpt2'; composed BLIP-2s have one of opt, llama, .*, t5"),
        (None, {"image_token_index": 7}, r"reads <image> as id 260, the config says 7; make image_token_index"),
    ):
        change(tmp_path, inside, **changes)
        with pytest.raises(SaccadeError, match=message):
            load(tmp_path)
        (tmp_path / "config.json").write_text(config)
    load(tmp_path)


def test_refuses_weights_that_do_not_fit(tmp_path):
    checkpoint(tmp_path)
    file = tmp_path / "model.safetensors"
    held = load_file(file)
    save_file({name: tensor for name, tensor in held.items() if "layer_norm1" not in name}, file)
    with pytest.raises(SaccadeError, match=r"lacks 6 of \d+ weights: tower\.backbone\.encoder\.layers\.0\.layer_norm1"):
        load(tmp_path)
    save_file({**held, "vision_model.encoder.layers.7.mlp.fc1.bias": torch.ones(1)}, file)
    with pytest.raises(SaccadeError, match=r"has left-over 1 of \d+ weights: tower\.backbone\.encoder\.layers\.7"):
        load(tmp_path)
    save_file({**held, "query_tokens": torch.ones(1, 4, 8)}, file)
    with pytest.raises(SaccadeError, match=r"is \[1, 4, 8\], but connector\.queries .* takes \[1, 5, 8\]"):
        load(tmp_path)


def test_refuses_an_instructblip_without_the_queries_tokenizer(tmp_path):
    checkpoint(tmp_path, "llama", instructed=True)
    shutil.rmtree(tmp_path / INSTRUCTOR)
    with pytest.raises(SaccadeError, match=r"holds no qformer_tokenizer, .*save it there \(Instruct"):
        load(tmp_path)
