"""``load`` of LAVIS' files: scores equal transformers' on the same weights, run as LAVIS runs them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from saccade.architectures.blip2 import reader_instruct as instructblip
from saccade.backends.store import load
from saccade.core.errors import SaccadeError
from saccade.runtime.retriever import Retriever
from tests.architectures.blip2.folders import SIZES, TEXTS, checkpoint, retrieval, theirs
from tests.architectures.blip2.lavis_folders import as_lavis, language, pieces, words
from tests.architectures.llava.folders import edit
from tests.parts import close, picture

PICTURES = [picture(*size) for size in SIZES]
PROMPTS = [f"<image>{text}" for text in TEXTS]
TARGETS = ["two cats</s>", "no", "the left one</s>"]


def second(at: Path, kind: str, *, tower: bool = False, **options: Any) -> tuple[Any, Any, Path]:
    model, processor = checkpoint(at / "theirs", kind, **options)
    as_lavis(model)
    language(at / "language", model, at / "theirs")
    return model, processor, pieces(at / "ours", model, tower=tower, language="../language")


@pytest.mark.parametrize("tower", [False, True], ids=["whole", "tower apart"])
@pytest.mark.parametrize("kind", ["opt", "t5", "flan"])
def test_logits_of_a_second_stage(tmp_path, kind, tower):
    model, processor, folder = second(tmp_path, kind, tower=tower)
    reader = load(folder)
    if kind != "opt":
        processor.tokenizer.padding_side = "right"
    found = reader.logits([[image] for image in PICTURES], PROMPTS, *([] if kind == "opt" else [TARGETS]))
    for ours, reference in zip(found, theirs(model, processor, PICTURES, TEXTS, TARGETS), strict=True):
        close(ours, reference)


def test_the_norm_behind_the_tower_has_its_own_epsilon(tmp_path):
    """At tiny scale it decides more than rounding does."""
    model, processor, folder = second(tmp_path, "opt")
    with torch.no_grad():
        state = torch.load(folder / "blip2.pth")
        for name, tensor in state["model"].items():
            if name.startswith("visual_encoder.") and "norm" not in name:
                tensor.mul_(0.02)
        torch.save(state, folder / "blip2.pth")
        for name, weight in model.vision_model.named_parameters():
            if "norm" not in name:
                weight.mul_(0.02)
    reference = theirs(model, processor, PICTURES[:1], TEXTS[:1])[0]
    close(load(folder).logits(PICTURES[:1], PROMPTS[0]), reference)
    model.vision_model.post_layernorm.eps = 1e-6
    assert float((theirs(model, processor, PICTURES[:1], TEXTS[:1])[0] - reference).abs().max()) > 1e-3


def test_an_instructblip_reads_its_instruction(tmp_path):
    """Its Q-Former's words are BERT's; transformers is given the same ids."""
    model, processor = checkpoint(tmp_path / "theirs", "t5", instructed=True, qformer={"vocab_size": 46})
    as_lavis(model)
    language(tmp_path / "language", model, tmp_path / "theirs")
    words(tmp_path / "words")
    processor.qformer_tokenizer = load_words(tmp_path / "words")
    processor.tokenizer.padding_side = "right"
    reader = load(pieces(tmp_path / "ours", model, language="../language", words="../words"))
    assert reader.spec.connector.reads_prompt
    assert reader.spec.template == instructblip.TEMPLATE
    found = reader.logits([[image] for image in PICTURES], PROMPTS, TARGETS)
    for ours, reference in zip(found, theirs(model, processor, PICTURES, TEXTS, TARGETS), strict=True):
        close(ours, reference)


def load_words(folder: Path) -> Any:
    made = AutoTokenizer.from_pretrained(folder)
    made.padding_side = "right"
    return made


def test_a_first_stage_is_a_retriever_that_can_learn(tmp_path):
    model, processor = retrieval(tmp_path / "theirs", placeholder=False, words=46)
    as_lavis(model)
    words(tmp_path / "words")
    folder = pieces(tmp_path / "ours", model, words="../words")
    state = torch.load(folder / "blip2.pth")
    start, table = "Qformer.cls.predictions", state["model"]["Qformer.bert.embeddings.word_embeddings.weight"]
    state["model"] |= {
        f"{start}.transform.dense.weight": torch.randn(8, 8), f"{start}.transform.dense.bias": torch.randn(8),
        f"{start}.transform.LayerNorm.weight": torch.randn(8), f"{start}.transform.LayerNorm.bias": torch.randn(8),
        f"{start}.bias": torch.randn(46), f"{start}.decoder.weight": table.clone(),
        f"{start}.decoder.bias": torch.randn(46), "temp": torch.tensor(0.3),
    }  # fmt: skip
    torch.save(state, folder / "blip2.pth")
    found = load(folder)
    assert isinstance(found, Retriever)
    assert found.spec.matcher.dec == 45
    texts = ["a cat", "b", "some of the dogs"]
    inputs = processor(images=PICTURES, text=texts, padding=True, padding_side="right", return_tensors="pt")
    with torch.no_grad():
        for match in (False, True):
            reference = model(**inputs, use_image_text_matching_head=match).logits_per_image
            close(found.match(PICTURES, texts) if match else found.similarity(PICTURES, texts), reference)
    assert set(found.losses(PICTURES, texts)) == {"itc", "itm", "itg"}


def test_answers_of_an_opt_end_with_the_line(tmp_path):
    *_, folder = second(tmp_path, "opt")
    reader = load(folder)
    assert reader.spec.language.ends == tuple(reader.tokenizer("\n", add_special_tokens=False)["input_ids"])


def test_flan_s_activation_is_the_exact_one(tmp_path):
    """Its config says the approximation; LAVIS sets the other."""
    *_, folder = second(tmp_path, "t5")
    edit(tmp_path / "language" / "config.json", dense_act_fn="gelu_new")
    assert json.loads(load(folder).spec.language.config)["dense_act_fn"] == "gelu"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no language model": (
        {"language": ""},
        r"trained around a language model and holds none; name it in saccade\.json",
    ),
    "no file": ({"checkpoint": "other.pth"}, r"there is no .*other\.pth, which saccade\.json names as its checkpoint"),
    "no tower's file": ({"tower": "eva.pth"}, r"there is no .*eva\.pth, which saccade\.json names as its tower"),
    "another key": ({"lanugage": "x"}, "unknown key in saccade.json 'lanugage'; did you mean language"),
    "too many heads": ({"heads": 3}, r"16 channels do not part into 3 heads; say .* how many there are: heads"),
    "no heads": ({"heads": 0}, r"16 channels do not part into 0 heads"),
    "heads of the Q-Former": ({"qformer_heads": 0}, "8 channels do not part into 0 heads.*: qformer_heads"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=list(REFUSED))
def test_refuses_settings(tmp_path, changes, message):
    *_, folder = second(tmp_path, "opt")
    edit(folder / "saccade.json", **changes)
    with pytest.raises(SaccadeError, match=message):
        load(folder)


def change(folder: Path, **weights: torch.Tensor | None) -> None:
    """Add weights to the checkpoint, or take them away; two underscores stand for a dot."""
    state = torch.load(folder / "blip2.pth")
    for name, tensor in weights.items():
        if tensor is None:
            state["model"].pop(name.replace("__", "."))
        else:
            state["model"][name.replace("__", ".")] = tensor
    torch.save(state, folder / "blip2.pth")


def test_refuses_weights(tmp_path):
    *_, folder = second(tmp_path, "opt")
    whole = (folder / "blip2.pth").read_bytes()
    one = torch.ones(1)
    for weights, message in (
        ({"query_tokens": None}, "holds no query_tokens, so it is no BLIP-2 of LAVIS"),
        ({"visual_encoder__pos_embed": None}, r"no EVA-CLIP in the file, it lacks visual_encoder\.pos_embed; name the"),
        ({"visual_encoder__pos_embed": torch.ones(1, 16, 16)}, "16 positions are no class token and a square map"),
        ({"visual_encoder__blocks__1__attn__v_bias": None}, r"lacks 1 biases: .*blocks\.1\.attn\.v_bias"),
        ({"visual_encoder__other": one}, r"visual_encoder\.other is no weight of an EVA-CLIP"),
        ({"t5_proj__weight": one}, "one of opt_proj, t5_proj and llm_proj .*; got 2 of them"),
        ({"other": one}, "1 weights have names of no Q-Former layout known here: other"),
        ({"ln_vision__bias": None}, r"lacks 1 of \d+ weights: tower\.backbone\.post_layernorm\.bias"),
        ({"Qformer__bert__embeddings__word_embeddings__weight": one}, 'reads words; name BERT\'s tokenizer .*"words"'),
    ):
        change(folder, **weights)
        with pytest.raises(SaccadeError, match=message):
            load(folder)
        (folder / "blip2.pth").write_bytes(whole)
    load(folder)


def test_refuses_other_pieces_than_it_was_trained_with(tmp_path):
    *_, folder = second(tmp_path, "opt")
    change(folder, opt_proj__weight=torch.ones(5, 8), opt_proj__bias=torch.ones(5))
    with pytest.raises(SaccadeError, match=r"puts out 5 channels, the language model in .* takes 16; name the one"):
        load(folder)
    model, _ = retrieval(tmp_path / "retrieval", placeholder=False)
    folder = pieces(tmp_path / "first", model, words="../words")
    words(tmp_path / "words")
    with pytest.raises(
        SaccadeError, match=r"has 46 words with \[DEC\], which LAVIS adds, the checkpoint's table has 48"
    ):
        load(folder)


def test_a_vicuna_s_texts_begin_with_its_end(tmp_path):
    model, processor = checkpoint(tmp_path / "theirs", "llama", instructed=True, qformer={"vocab_size": 46})
    as_lavis(model)
    place = language(tmp_path / "language", model, tmp_path / "theirs")
    words(tmp_path / "words")
    folder = pieces(tmp_path / "ours", model, language="../language", words="../words")
    with pytest.raises(SaccadeError, match=r"texts that begin with </s>, .* load it with bos_token=\"</s>\" and save"):
        load(folder)
    data = json.loads((place / "tokenizer.json").read_text())
    opening = json.dumps(data["post_processor"]).replace('"<s>"', '"</s>"').replace("256", "257")
    (place / "tokenizer.json").write_text(json.dumps({**data, "post_processor": json.loads(opening)}))
    processor.tokenizer = AutoTokenizer.from_pretrained(place, padding_side="left")
    processor.qformer_tokenizer = load_words(tmp_path / "words")
    found = load(folder).logits([[image] for image in PICTURES], PROMPTS)
    for ours, reference in zip(found, theirs(model, processor, PICTURES, TEXTS), strict=True):
        close(ours, reference)
