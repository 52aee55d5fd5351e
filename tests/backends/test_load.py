"""``load`` of LLaVA folders: logits and answers equal transformers' own on the same weights and pictures."""

from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from saccade.backends.store import load
from saccade.core.errors import SaccadeError
from tests.architectures.llava.folders import SIZES, checkpoint, relabel, same
from tests.parts import close, picture

OLD = [("vision_tower.", "vision_tower.vision_model.")]
NEW = [
    ("vision_tower.", "model.vision_tower."),
    ("multi_modal_projector.", "model.multi_modal_projector."),
    ("language_model.model.", "model.language_model."),
    ("language_model.lm_head.", "lm_head."),
]
NEW_INSIDE = [("vision_tower.", "model.vision_tower.vision_model."), *NEW[1:]]


CASES: dict[str, dict[str, Any]] = {
    "clip": {},
    "siglip": {"siglip": True},
    "tied": {"tie_word_embeddings": True, "text": {"tie_word_embeddings": True}},
    "all heads": {"text": {"num_key_value_heads": 4}},
    "qwen2": {"text": {"model_type": "qwen2"}},
    "mistral": {"text": {"model_type": "mistral", "head_dim": 8, "sliding_window": None}},
    "last layer": {"vision_feature_layer": -1},
    "first layer": {"vision_feature_layer": 1},
    "class token": {"vision_feature_select_strategy": "full"},
    "layers": {"vision_feature_layer": [-2, -1, 0]},
    "layers, class token": {"vision_feature_layer": [1, 3], "vision_feature_select_strategy": "full"},
    "siglip layers": {"siglip": True, "vision_feature_layer": [-1, -3]},
    "shards": {"shards": "20KB"},
    "bilinear": {"image": {"size": {"shortest_edge": 28}, "crop_size": 28, "resample": 2}},
}


@pytest.mark.parametrize("options", CASES.values(), ids=list(CASES))
def test_logits_equal_those_of_transformers(tmp_path, options):
    same(tmp_path, *checkpoint(tmp_path, **options))


@pytest.mark.parametrize("rules", [OLD, NEW, NEW_INSIDE], ids=["old", "new", "new with the inner name"])
@pytest.mark.parametrize("siglip", [False, True], ids=["clip", "siglip"])
def test_every_layout_of_names(tmp_path, rules, siglip):
    model, processor = checkpoint(tmp_path, siglip=siglip)
    relabel(tmp_path, rules)
    same(tmp_path, model, processor)


def generated(model: Any, processor: Any, image: Any, question: str, tokens: int) -> list[int]:
    inputs = processor(images=image, text=f"USER: <image>\n{question} ASSISTANT:", return_tensors="pt")
    out = model.generate(**inputs, max_new_tokens=tokens, do_sample=False, eos_token_id=257, pad_token_id=258)
    return out[0, inputs["input_ids"].shape[1] :].tolist()


def test_answers_equal_greedy_generation(tmp_path):
    model, processor = checkpoint(tmp_path)
    with torch.no_grad():
        model.lm_head.weight[257] *= 2  # so that some answers end before the limit
    model.save_pretrained(tmp_path)
    reader = load(tmp_path)
    images = [picture(*size) for size in SIZES]
    questions = [
        ["what?", "a longer question, where?", "a"],
        [],
        ["who"],
        [f"how {'very ' * n}many?" for n in range(6)],
    ]
    with torch.no_grad():
        encoded = reader.encode(images)
    answers = reader.ask(encoded, questions, max_tokens=6)
    lengths = set()
    for image, asked, found in zip(images, questions, answers, strict=True):
        assert len(found) == len(asked)
        for question, answer in zip(asked, found, strict=True):
            assert list(answer.tokens) == generated(model, processor, image, question, 6)
            lengths.add(len(answer.tokens))
    assert len(lengths) > 1


def test_log_probabilities_are_those_of_the_chosen_tokens(tmp_path):
    model, processor = checkpoint(tmp_path)
    reader = load(tmp_path)
    image = picture(40, 30)
    (answer,) = reader.ask(reader.encode([image]), [["what?"]], max_tokens=3)[0]
    inputs = processor(images=image, text="USER: <image>\nwhat? ASSISTANT:", return_tensors="pt")
    start = inputs["input_ids"].shape[1]
    extra = torch.tensor([answer.tokens])
    inputs["input_ids"] = torch.cat([inputs["input_ids"], extra], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with torch.no_grad():
        chances = model(**inputs).logits.log_softmax(-1)[0, start - 1 : -1]
    close(torch.tensor(answer.logprobs), chances.gather(1, extra.T)[:, 0])
    assert answer.logprob == pytest.approx(sum(answer.logprobs))


def test_tied_tables_may_be_stored_twice_but_not_differ(tmp_path):
    checkpoint(tmp_path, **CASES["tied"])
    held = load_file(tmp_path / "model.safetensors")
    table = held["language_model.model.embed_tokens.weight"]
    save_file({**held, "language_model.lm_head.weight": table.clone()}, tmp_path / "model.safetensors")
    assert load(tmp_path).language.model.lm_head.weight.equal(table)
    save_file({**held, "language_model.lm_head.weight": table + 1}, tmp_path / "model.safetensors")
    with pytest.raises(SaccadeError, match=r"lm_head\.weight differs from .*; set tie_word_embeddings to false"):
        load(tmp_path)


def test_refuses_weights_that_do_not_fit(tmp_path):
    checkpoint(tmp_path)
    file = tmp_path / "model.safetensors"
    held = load_file(file)
    save_file({name: tensor for name, tensor in held.items() if "norm" not in name}, file)
    with pytest.raises(SaccadeError, match=r"lacks \d+ of \d+ weights: .*layer_norm1"):
        load(tmp_path)
    save_file({**held, "language_model.model.layers.7.mlp.up_proj.weight": torch.ones(1)}, file)
    with pytest.raises(SaccadeError, match=r"has left-over 1 of \d+ weights: language\.model\.model\.layers\.7"):
        load(tmp_path)
    save_file({**held, "adapter.weight": torch.ones(1)}, file)
    with pytest.raises(SaccadeError, match=r"1 weights have names of no LLaVA layout known here: adapter\.weight"):
        load(tmp_path)
    save_file({**held, "model.vision_tower.embeddings.class_embedding": torch.ones(16)}, file)
    with pytest.raises(SaccadeError, match=r"are both the weight tower\.backbone\.embeddings\.class_embedding"):
        load(tmp_path)
    save_file({**held, "vision_tower.embeddings.class_embedding": torch.ones(17)}, file)
    with pytest.raises(SaccadeError, match=r"is \[17\], but .* takes \[16\]"):
        load(tmp_path)


def test_a_name_that_is_counted_not_learned_may_be_there(tmp_path):
    checkpoint(tmp_path)
    file = tmp_path / "model.safetensors"
    extra = {"vision_tower.vision_model.embeddings.position_ids": torch.arange(17)[None]}
    save_file({**load_file(file), **extra}, file)
    load(tmp_path)


def test_refuses_folders_that_hold_something_else(tmp_path):
    with pytest.raises(SaccadeError, match=r"neither saccade\.json nor config\.json; supported are"):
        load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(SaccadeError, match="model of type 'bert'; supported are"):
        load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(SaccadeError, match=r"config\.json is not readable as JSON"):
        load(tmp_path)
    with pytest.raises(SaccadeError, match="neither a folder nor a Hub id"):
        load(tmp_path / "nowhere")
    with pytest.raises(SaccadeError, match=r"Hub cannot be reached, and its cache does not hold it"):
        load("somebody/something-that-is-not-here")


def test_never_unpickles(tmp_path):
    checkpoint(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"bad")
    with pytest.raises(SaccadeError, match=r"pytorch_model\.bin is pickle, which is never read"):
        load(tmp_path)


def test_refuses_broken_weights_and_missing_files(tmp_path):
    checkpoint(tmp_path, shards="20KB")
    (tmp_path / "model-00002-of-00005.safetensors").write_bytes(b"1234")
    with pytest.raises(SaccadeError, match="is no readable safetensors file"):
        load(tmp_path)
    (tmp_path / "model-00002-of-00005.safetensors").unlink()
    with pytest.raises(SaccadeError, match=r"names 5 files, model-00002-of-00005\.safetensors is not there"):
        load(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    with pytest.raises(SaccadeError, match="holds no tokenizer"):
        load(tmp_path)
