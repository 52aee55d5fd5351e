"""``load`` of IDEFICS folders: logits, losses and answers equal transformers' own on the same weights and pictures."""

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from saccade.backends.store import from_pretrained, load, save_pretrained
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.runtime.reader import Reader
from tests.architectures.idefics.folders import EDGE, END, IMAGE, OVER, checkpoint, inputs, ours, rows, theirs
from tests.architectures.llava.folders import edit
from tests.parts import close, counted, picture

CASES: dict[str, dict[str, Any]] = {
    "resampler": {},
    "patches as they are": {"use_resampler": False},
    "no norms in the blocks": {"qk_layer_norms": False},
    "no norms in the resampler": {"latents": {"qk_layer_norms_perceiver": False}},
    "a gate a channel": {"alpha_type": "vector"},
    "one table": {"additional_vocab_size": 0},
    "a block a layer": {"cross_layer_interval": 1},
    "one block": {"cross_layer_interval": 4},
    "instructed": {"instructed": True},
    "tied": {"tie_word_embeddings": True},
    "tied, one table": {"tie_word_embeddings": True, "additional_vocab_size": 0},
    "another base and eps": {"rms_norm_eps": 1e-2, "rope_parameters": {"rope_type": "default", "rope_theta": 100.0}},
    "another tower": {"vision": {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-2, "patch_size": 14}},
    "other pixels": {"image": {"image_size": 28, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7]}},
}


@pytest.mark.parametrize("options", CASES.values(), ids=list(CASES))
def test_logits_equal_those_of_transformers(tmp_path, options):
    model, processor = checkpoint(tmp_path, **options)
    reader = load(tmp_path)
    for row in rows():
        close(reader.logits(*ours(row)), theirs(model, processor, [row])[0])
    images, prompts = zip(*(ours(row) for row in rows()), strict=True)
    found = reader.logits(images, prompts)
    for mine, reference in zip(found, theirs(model, processor, rows()), strict=True):
        close(mine, reference)


def test_ids_and_sights_are_those_of_their_processor(tmp_path):
    _, processor = checkpoint(tmp_path)
    reader = load(tmp_path)
    for row in rows():
        given, (images, text) = inputs(processor, [row]), ours(row)
        with torch.no_grad():
            prompt = reader.prompt(text, reader.encode(images))
        assert list(prompt.ids) == given["input_ids"][0].tolist()
        mask = given["image_attention_mask"][0]
        seen = [int(line.argmax()) if line.any() else -1 for line in mask.int()]
        assert list(prompt.looking or [-1] * len(seen)) == seen
        assert mask.sum(-1).max() <= 1


def test_pictures_that_touch_share_the_token_between_them(tmp_path):
    checkpoint(tmp_path)
    reader = load(tmp_path)
    with torch.no_grad():
        encoded = reader.encode([picture(28, 28), picture(30, 20)])
    assert reader.prompt("<image><image>a", encoded).ids == (256, EDGE, IMAGE, EDGE, IMAGE, EDGE, ord("a") - 33)


@pytest.mark.parametrize("options", [{"additional_vocab_size": 0}, {}], ids=["their labels", "their logits"])
def test_loss_equals_theirs_on_the_same_tokens(tmp_path, options):
    model, processor = checkpoint(tmp_path, **options)
    reader = load(tmp_path)
    told = [
        (["what?", picture(40, 30), "it is"], " a cat</s>"),
        ([picture(31, 67), "and", picture(28, 28), "two"], "dogs"),
        (["no picture"], "?"),
    ]
    given = inputs(processor, [[*row[:-1], f"{row[-1]}{target}"] for row, target in told])
    labels = torch.full_like(given["input_ids"], -100)
    for line, ids, (_, target) in zip(labels, given["input_ids"], told, strict=True):
        size = len(reader.tokenizer(target, add_special_tokens=False)["input_ids"])
        line[-size:] = ids[-size:]
    if options:  # with tables of added tokens their class stumbles over its own labels
        reference = model(**given, labels=labels).loss
    else:
        scores = model(**given).logits
        reference = F.cross_entropy(scores[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    images, prompts = zip(*(ours(row) for row, _ in told), strict=True)
    loss = reader.loss(images, prompts, [target for _, target in told])
    close(loss, reference)
    loss.backward()
    reference.backward()
    kv = reader.cross.each[1].to_kv.weight.grad
    block = model.model.gated_cross_attn_layers[1].cross_attn
    close(kv, torch.cat([block.k_proj.weight.grad, block.v_proj.weight.grad]))


@pytest.mark.parametrize("options", [{}, {"instructed": True}, {"use_resampler": False}], ids=str)
def test_answers_equal_greedy_generation(tmp_path, options):
    model, processor = checkpoint(tmp_path, **options)
    with torch.no_grad():  # so that some answers end before the limit
        (model.lm_head.additional_fc if "instructed" in options else model.lm_head).weight[-1 if options else END] *= 3
    model.save_pretrained(tmp_path)
    reader = load(tmp_path)
    images = [picture(40, 30), picture(31, 67), picture(90, 33)]
    questions = [
        ["what?", "a longer question, where?", "a"],
        ["who", "who</s>and then?"],
        [f"how {'very ' * n}many?" for n in range(4)],
    ]
    ends = [END, OVER] if "instructed" in options else [END]
    assert sorted(reader.spec.language.ends) == ends
    with torch.no_grad():
        encoded = reader.encode(images)
    answers = reader.ask(encoded, questions, max_tokens=6)
    for image, asked, found in zip(images, questions, answers, strict=True):
        for question, answer in zip(asked, found, strict=True):
            alone = reader.ask(reader.encode([image]), [[question]], max_tokens=6)[0][0]
            assert alone.tokens == answer.tokens
            before, after = reader.spec.template.replace("{question}", question).split("<image>")
            given = inputs(processor, [[*([before] if before else []), image, after]])
            out = model.generate(
                **given, max_new_tokens=6, do_sample=False, eos_token_id=ends, pad_token_id=258, bad_words_ids=None
            )
            assert list(answer.tokens) == out[0, given["input_ids"].shape[1] :].tolist()


@pytest.mark.parametrize("name", ["resampler", "patches as they are", "tied", "a gate a channel"])
def test_what_is_saved_is_what_is_loaded(tmp_path, name):
    checkpoint(tmp_path / "theirs", **CASES[name])
    reader = load(tmp_path / "theirs")
    save_pretrained(reader, tmp_path / "ours")
    again = load(tmp_path / "ours")
    assert again.spec == reader.spec
    assert again.state_dict().keys() == reader.state_dict().keys()
    assert all(tensor.equal(reader.state_dict()[key]) for key, tensor in again.state_dict().items())
    row = ours(rows()[1])
    assert again.logits(*row).equal(reader.logits(*row))


def test_every_weight_of_theirs_is_somewhere_in_ours(tmp_path):
    model, _ = checkpoint(tmp_path, alpha_type="vector")
    reader = load(tmp_path)
    dropped = {name for name in model.state_dict() if "post_layernorm" in name}
    assert sum(weight.numel() for weight in reader.parameters()) == sum(
        weight.numel() for name, weight in model.state_dict().items() if name not in dropped
    )


@pytest.mark.parametrize("name", ["resampler", "patches as they are", "instructed"])
def test_the_plan_is_what_runs(tmp_path, name):
    checkpoint(tmp_path, **CASES[name])
    reader = load(tmp_path)
    image, question = picture(40, 30), "What is it?"
    plan = reader.plan(Size(40, 30), question)
    with torch.no_grad():
        (encoded,) = reader.encode([image])
    prompt = reader.prompt(reader.spec.template.replace("{question}", question), [encoded])
    assert plan.length == len(prompt.ids)
    assert plan.visual_tokens == plan.cross_keys == len(encoded.tokens) == len(encoded.ledger)
    assert plan.visual_tokens == (17 if name == "patches as they are" else 3)
    made = counted(lambda: Reader(reader.spec, reader.tokenizer), lambda _: None)
    assert made.params == plan.params


def test_older_files_name_the_size_otherwise_and_hold_what_is_counted(tmp_path):
    model, processor = checkpoint(tmp_path)
    (tmp_path / "processor_config.json").unlink()
    older = {"image_size": 28, "image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1], "image_num_channels": 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(older))
    file = tmp_path / "model.safetensors"
    extra = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2),
        "model.vision_model.embeddings.position_ids": torch.arange(17)[None],
    }
    save_file({**load_file(file), **extra}, file)
    reader = load(tmp_path)
    assert reader.spec.mean == (0.1, 0.2, 0.3)
    processor.image_processor.image_mean, processor.image_processor.image_std = [0.1, 0.2, 0.3], [1, 1, 1]
    close(reader.logits(*ours(rows()[0])), theirs(model, processor, rows()[:1])[0])


def test_perturbing_a_picture_changes_nothing_before_its_tag(tmp_path):
    checkpoint(tmp_path)
    reader = load(tmp_path)
    images, text = ours(rows()[1])
    before = reader.logits(images, text)
    changed = reader.logits([images[0], picture(31, 67, seed=9), images[2]], text)
    with torch.no_grad():
        ids = reader.prompt(text, reader.encode(images)).ids
    second = [place for place, token in enumerate(ids) if token == IMAGE][1]
    assert changed[:second].equal(before[:second])
    assert not changed[second:].isclose(before[second:]).all(dim=-1).any()


def test_refuses_what_does_not_match(tmp_path):
    checkpoint(tmp_path)
    reader = load(tmp_path)
    with pytest.raises(SaccadeError, match="holds 2 <image> placeholders but 1 pictures were given"):
        reader.logits([picture(28, 28)], "<image><image>")
    with pytest.raises(SaccadeError, match="holds 0 <image> placeholders but 1 pictures"):
        reader.logits([picture(28, 28)], "nothing")
    with pytest.raises(SaccadeError, match="the language model was made for 256"):
        reader.logits([picture(28, 28)], "<image>" + 300 * "a")


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "interval": ({"cross_layer_interval": 3}, "cross_layer_interval 3 does not divide the 4 layers"),
    "no interval": ({"cross_layer_interval": 0}, "cross_layer_interval 0 does not divide"),
    "activation": ({"hidden_act": "gelu"}, "has activation 'gelu'; the gated blocks here have 'silu'"),
    "gates": ({"alpha_type": "matrix"}, "alpha_type is 'float' or 'vector', got 'matrix'"),
    "positions": (
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 10.0, "factor": 2.0}},
        r"scales its positions \('linear'\)",
    ),
    "fewer rows": ({"additional_vocab_size": 0, "vocab_size": 260}, "<image> as id 260, but the model's table has 260"),
    "wider": ({"intermediate_size": 21}, r"is \[20, 16\], but .* as configured takes \[21, 16\]; the config does not"),
    "table": ({"additional_vocab_size": 3}, r"additional_fc.*|additional_embedding.* is \[262, 16\], but"),
}


@pytest.mark.parametrize(("changes", "message"), CONFIGS.values(), ids=list(CONFIGS))
def test_refuses_configs(tmp_path, changes, message):
    checkpoint(tmp_path)
    edit(tmp_path / "config.json", **changes)
    with pytest.raises(SaccadeError, match=message):
        load(tmp_path)


def test_transformers_itself_fails_where_the_interval_does_not_divide(tmp_path):
    model, processor = checkpoint(tmp_path, cross_layer_interval=3)
    with pytest.raises(IndexError):
        theirs(model, processor, rows()[:1])


def test_refuses_a_tokenizer_without_the_tokens(tmp_path):
    checkpoint(tmp_path)
    for gone in ("<image>", "<fake_token_around_image>"):
        saved = (tmp_path / "tokenizer.json").read_text()
        (tmp_path / "tokenizer.json").write_text(saved.replace(gone, "<other>"))
        with pytest.raises(SaccadeError, match=f"tokenizer has no token {gone}"):
            load(tmp_path)
        (tmp_path / "tokenizer.json").write_text(saved)
    edit(tmp_path / "tokenizer_config.json", bos_token=None)
    with pytest.raises(SaccadeError, match="has no bos_token, with which every IDEFICS prompt starts"):
        load(tmp_path)


def test_refuses_pictures_of_another_size(tmp_path):
    checkpoint(tmp_path, image={"image_size": 56})
    with pytest.raises(SaccadeError, match="makes pictures of 56×56, the tower reads 28×28"):
        load(tmp_path)


def test_refuses_weights_that_are_missing_or_left_over(tmp_path):
    checkpoint(tmp_path)
    file = tmp_path / "model.safetensors"
    held = load_file(file)

    def kept(gone: str) -> None:
        save_file({name: tensor for name, tensor in held.items() if gone not in name}, file)
        with pytest.raises(SaccadeError, match="lack"):
            load(tmp_path)

    for gone in (
        "model.norm",
        "alpha_dense",
        "latents_layer_norm",
        "lm_head.weight",
        "layer_norm1",
        "k_proj",
        "q_proj",
    ):
        kept(gone)
    for more in ("model.gated_cross_attn_layers.2.alpha_dense", "adapter.weight", "model.perceiver_resampler.extra"):
        save_file({**held, more: torch.ones(1)}, file)
        with pytest.raises(SaccadeError, match=f"left-over 1 .*{more}"):
            load(tmp_path)


def test_a_saved_reader_is_no_folder_of_theirs(tmp_path):
    checkpoint(tmp_path)
    with pytest.raises(SaccadeError, match=r"there is no .*saccade\.json"):
        from_pretrained(tmp_path)
