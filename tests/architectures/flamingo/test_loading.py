"""``load`` of OpenFlamingo's pieces: logits and answers equal its formulas, written out; its defects are not copied."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from saccade.backends.store import load, save_pretrained
from saccade.core.errors import SaccadeError
from saccade.core.size import Size
from saccade.specs.language.cross import CrossSpec
from tests.architectures.flamingo.folders import LANGUAGES, LAYERS, folder
from tests.architectures.llava.folders import edit
from tests.parts import close, picture

KINDS = list(LANGUAGES)
ONE, TWO, THREE = (40, 30), (31, 67), (28, 28)
ROWS: list[tuple[list[tuple[int, int]], str]] = [
    ([ONE], "<image>what is it?"),
    ([ONE, TWO, THREE], "first text, then<image>a cat<|endofchunk|><image>a dog<|endofchunk|><image>a"),
    ([TWO, THREE], "<image><image>both"),
    ([], "no picture at all"),
    ([THREE], "a long text stands before the only picture <image>."),
]


def images(sizes: list[tuple[int, int]]) -> list[Any]:
    return [picture(*size) for size in sizes]


@pytest.mark.parametrize("sees", ["last", "all"])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_equal_the_formulas(tmp_path, kind, sees):
    made = folder(tmp_path, kind, sees=sees)
    reader = load(tmp_path)
    reference = [made.logits(images(sizes), text, sees=sees) for sizes, text in ROWS]
    for (sizes, text), expected in zip(ROWS, reference, strict=True):
        close(reader.logits(images(sizes), text), expected)
    batch = reader.logits([images(sizes) for sizes, _ in ROWS], [text for _, text in ROWS])
    for found, expected in zip(batch, reference, strict=True):
        close(found, expected)


CASES: dict[str, dict[str, Any]] = {
    "a block a layer": {"every": 1},
    "one block": {"every": 4},
    "both halves of CLIP": {"whole_clip": True},
    "a token for padding": {"pad": True},
    "a table of frames": {"frames": True},
    "told how often": {"cross_attn_every_n_layers": 2},
}


@pytest.mark.parametrize("options", CASES.values(), ids=list(CASES))
def test_other_pieces(tmp_path, options):
    made = folder(tmp_path, "opt", **options)
    reader = load(tmp_path)
    assert reader.language.spec.vocabulary == (260 if "pad" in options else 261)
    for sizes, text in ROWS[:2]:
        close(reader.logits(images(sizes), text), made.logits(images(sizes), text))


def bare(weights: dict[str, Tensor], kind: str) -> object:
    del kind
    return weights


def wrapped(weights: dict[str, Tensor], kind: str) -> object:
    del kind
    return {"epoch": 3, "model_state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}}


def unfiltered(weights: dict[str, Tensor], kind: str) -> object:
    """Everything twice, under the lists of OpenFlamingo's class, and the tower."""
    twice = {"vision_encoder.conv1.weight": torch.ones(1)}
    for name, tensor in weights.items():
        if ".gated_cross_attn_layer." in name:
            at = name.removeprefix(f"lang_encoder.{LAYERS[kind]}.").replace(".gated_cross_attn_layer.", ".")
            twice[f"lang_encoder.gated_cross_attn_layers.{at}"] = tensor
    twice["lang_encoder.old_decoder_blocks.0.fc1.weight"] = torch.ones(1)
    return {**weights, **twice}


@pytest.mark.parametrize("form", [bare, wrapped, unfiltered])
@pytest.mark.parametrize("kind", ["opt", "gpt_neox"])
def test_every_form_of_the_file(tmp_path, kind, form: Callable[[dict[str, Tensor], str], object]):
    made = folder(tmp_path, kind)
    weights = made.weights
    if kind == "gpt_neox":  # as transformers called it then
        weights = {name.replace("lm_head", "embed_out"): tensor for name, tensor in weights.items()}
    torch.save(form(weights, kind), tmp_path / "checkpoint.pt")
    close(load(tmp_path).logits(images(ROWS[1][0]), ROWS[1][1]), made.logits(images(ROWS[1][0]), ROWS[1][1]))


def test_layers_that_were_trained_too_are_the_checkpoints(tmp_path):
    made = folder(tmp_path, "opt")
    layer = made.language.model.decoder.layers[1]
    with torch.no_grad():
        layer.fc1.weight.mul_(2)
    inner = f"lang_encoder.{LAYERS['opt']}.1.decoder_layer.fc1.weight"
    torch.save({**made.weights, inner: layer.fc1.weight.detach()}, tmp_path / "checkpoint.pt")
    close(load(tmp_path).logits(images(ROWS[1][0]), ROWS[1][1]), made.logits(images(ROWS[1][0]), ROWS[1][1]))


def test_a_language_model_in_older_files(tmp_path):
    """Pickled, without the name of the model inside, and with a mask that is counted."""
    made = folder(tmp_path, "gpt_neox", pickled=True)
    base = load(tmp_path).language.model.state_dict()
    old = {name.removeprefix("gpt_neox.").replace("lm_head", "embed_out"): base[name] for name in base}
    old["layers.0.attention.bias"] = torch.ones(1, 1, 4, 4)
    old["layers.0.attention.rotary_emb.inv_freq"] = torch.ones(2)
    (tmp_path / "language" / "model.safetensors").unlink()
    torch.save(old, tmp_path / "language" / "pytorch_model.bin")
    close(load(tmp_path).logits(images(ROWS[1][0]), ROWS[1][1]), made.logits(images(ROWS[1][0]), ROWS[1][1]))
    edit(tmp_path / "saccade.json", pickled=False)
    with pytest.raises(SaccadeError, match=r"pytorch_model\.bin is pickle, which is never read"):
        load(tmp_path)


@pytest.mark.parametrize("sees", ["last", "all"])
@pytest.mark.parametrize("kind", KINDS)
def test_answers_over_the_cache_equal_reading_all_anew(tmp_path, kind, sees):
    made = folder(tmp_path, kind, sees=sees)
    reader = load(tmp_path)
    asked = [["what?", "and what colour is the larger one?"], ["who"], []]
    sizes = [ONE, TWO, THREE]
    with torch.no_grad():
        encoded = reader.encode(images(sizes))
    ends = reader.spec.language.ends
    assert ends == (made.tokenizer.convert_tokens_to_ids("<|endofchunk|>"), 257)
    found = reader.ask(encoded, asked, max_tokens=5)
    for size, questions, answers in zip(sizes, asked, found, strict=True):
        for question, answer in zip(questions, answers, strict=True):
            tokens: list[int] = []
            while len(tokens) < 5 and not set(tokens) & set(ends):
                text = f"<image>Question:{question} Short answer:"
                tokens.append(int(made.logits([picture(*size)], text, tuple(tokens), sees)[-1].argmax()))
            assert list(answer.tokens) == tokens


def test_examples_are_chunks(tmp_path):
    made = folder(tmp_path, "mpt")
    spec = load(tmp_path).spec
    assert spec.template == "<image>Question:{question} Short answer:"
    assert spec.closing == "<|endofchunk|>"
    assert made.tokenizer.convert_tokens_to_ids(["<|endofchunk|>", "<image>", "<PAD>"]) == [258, 259, 260]
    assert spec.image_id == 259


def test_what_a_file_without_open_gates_leaves_is_the_language_model(tmp_path):
    made = folder(tmp_path, "gpt_neox")
    closed = {name: torch.zeros(1) if name.endswith("_gate") else tensor for name, tensor in made.weights.items()}
    torch.save(closed, tmp_path / "checkpoint.pt")
    reader = load(tmp_path)
    for sizes, text in ROWS:
        ids = made.ids(text)[None]
        with torch.no_grad():
            plain = made.language(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
        assert reader.logits(images(sizes), text).equal(plain)


@pytest.mark.parametrize("kind", KINDS)
def test_text_alone_is_read_by_the_frozen_language_model(tmp_path, kind):
    made = folder(tmp_path, kind)
    reader = load(tmp_path)
    ids = made.ids("no picture at all")[None]
    with torch.no_grad():
        plain = made.language(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
    assert reader.logits([], "no picture at all").equal(plain)


@pytest.mark.parametrize("sees", ["last", "all"])
@pytest.mark.parametrize("changed", [0, 1, 2])
def test_a_picture_changes_nothing_before_its_tag(tmp_path, sees, changed):
    """OpenFlamingo with all pictures in sight lets text before the first see them all; here it sees none."""
    made = folder(tmp_path, "opt", sees=sees)
    reader = load(tmp_path)
    sizes, text = ROWS[1]
    shown = images(sizes)
    before = reader.logits(shown, text)
    shown[changed] = picture(*sizes[changed], seed=5)
    after = reader.logits(shown, text)
    tag = (made.ids(text) == made.image).nonzero()[changed, 0]
    assert tag > 0
    assert after[:tag].equal(before[:tag])
    assert not after[tag:].isclose(before[tag:]).all(dim=-1).any()


def test_refuses_tags_beyond_the_pictures(tmp_path):
    """OpenFlamingo reads those as a blur of all pictures."""
    folder(tmp_path, "opt")
    reader = load(tmp_path)
    with pytest.raises(SaccadeError, match="holds 2 <image> placeholders but 1 pictures were given"):
        reader.logits([picture(*ONE)], "<image>a<image>b")
    with pytest.raises(SaccadeError, match="holds 1 <image> placeholders but 2 pictures were given"):
        reader.logits(images([ONE, TWO]), "<image>a")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_is_what_is_loaded(tmp_path, kind):
    folder(tmp_path / "pieces", kind)
    reader = load(tmp_path / "pieces")
    save_pretrained(reader, tmp_path / "whole")
    again = load(tmp_path / "whole")
    assert again.spec == reader.spec
    assert all(tensor.equal(reader.state_dict()[key]) for key, tensor in again.state_dict().items())
    assert again.tokenizer.get_vocab() == reader.tokenizer.get_vocab()
    row = images(ROWS[1][0]), ROWS[1][1]
    assert again.logits(*row).equal(reader.logits(*row))


def test_pieces_are_not_written_over(tmp_path):
    folder(tmp_path, "opt")
    reader = load(tmp_path)
    with pytest.raises(SaccadeError, match="exists and holds no saved reader"):
        save_pretrained(reader, tmp_path)
    assert (tmp_path / "checkpoint.pt").is_file()


def test_the_plan_is_what_runs(tmp_path):
    folder(tmp_path, "gpt_neox")
    reader = load(tmp_path)
    plan = reader.plan(Size(*ONE), "what?")
    (scores,) = reader.logits([images([ONE])], [reader.spec.template.replace("{question}", "what?")])
    assert plan.length == len(scores)
    assert plan.cross_keys == 5
    assert plan.params == sum(weight.numel() for weight in reader.parameters())


@dataclass
class Folder:
    """What a refusal is provoked with."""

    place: Path
    weights: dict[str, Tensor]

    def write(self, weights: object) -> None:
        torch.save(weights, self.place / "checkpoint.pt")

    def without(self, *parts: str) -> None:
        self.write({name: tensor for name, tensor in self.weights.items() if not any(part in name for part in parts)})

    def with_(self, **more: object) -> None:
        self.write({**self.weights, **{name.replace("__", "."): tensor for name, tensor in more.items()}})

    def say(self, **changes: object) -> None:
        edit(self.place / "saccade.json", **changes)

    def drop(self, *keys: str) -> None:
        file = self.place / "saccade.json"
        file.write_text(
            json.dumps({key: value for key, value in json.loads(file.read_text()).items() if key not in keys})
        )


class Harmful:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("ran",)


SAMPLE = r'a whole one reads: \{"schema": "saccade\.pieces/1", "kind": "openflamingo", "checkpoint"'
BLOCK = "lang_encoder.model.decoder.layers.1.gated_cross_attn_layer."
REFUSED: dict[str, tuple[Callable[[Folder], object], str]] = {
    "no tower named": (lambda at: at.drop("tower"), rf"saccade\.json lacks tower; {SAMPLE}"),
    "nothing named": (lambda at: at.drop("tower", "language", "checkpoint"), "lacks checkpoint, tower, language"),
    "no kind": (lambda at: at.drop("kind"), "unknown kind of checkpoint in pieces 'None'"),
    "unknown kind": (lambda at: at.say(kind="openflamigo"), "did you mean openflamingo"),
    "unknown key": (lambda at: at.say(towers="x"), "unknown key in saccade.json 'towers'; did you mean tower"),
    "number": (lambda at: at.say(tower=3), f"tower is a str, got 3; {SAMPLE}"),
    "true": (lambda at: at.say(cross_attn_every_n_layers=True), "cross_attn_every_n_layers is a int, got True"),
    "sees": (lambda at: at.say(sees="some"), f"sees is 'last' or 'all', got 'some'; {SAMPLE}"),
    "no checkpoint": (lambda at: (at.place / "checkpoint.pt").unlink(), r"there is no .*checkpoint\.pt, which"),
    "no folder": (lambda at: at.say(tower="nowhere/at-all"), "nowhere/at-all is no folder here, the Hub cannot be"),
    "a revision": (lambda at: at.say(tower="nowhere/at-all@v1"), "nowhere/at-all is no folder here"),
    "a tower for a language model": (lambda at: at.say(language="tower"), "unknown type of OpenFlamingo's language"),
    "a language model for a tower": (lambda at: at.say(tower="language"), "'opt'; OpenFlamingo's tower is a 'clip'"),
    "no tokenizer": (
        lambda at: [(at.place / "language" / name).unlink() for name in ("tokenizer.json", "tokenizer_config.json")],
        "holds no tokenizer",
    ),
    "no config": (lambda at: (at.place / "tower" / "config.json").unlink(), r"holds no config\.json"),
    "code": (lambda at: at.with_(harm=Harmful()), "no file of tensors and plain data alone, .* never run"),
    "numbers among tensors": (lambda at: at.with_(step=3), r"1 of \d+ entries that are no tensors: step \(int\)"),
    "a list": (lambda at: at.write([torch.ones(1)]), "holds a list, expected weights by name"),
    "broken": (lambda at: (at.place / "checkpoint.pt").write_bytes(b"broken"), r"checkpoint\.pt is no"),
    "no embeddings": (lambda at: at.without("embed_tokens"), "holds no embeddings"),
    "no latents": (lambda at: at.without("perceiver.latents"), "holds no latents"),
    "no resampler's layer": (lambda at: at.without("layers.0.0.to_q"), r"lacks 1 of \d+ weights: perceiver\.layers"),
    "no blocks": (lambda at: at.without("gated"), r"gated blocks before layers \[\], expected the last of every"),
    "a block too few": (lambda at: at.without("3.gated"), "has 1 gated blocks, a language model of 4 layers"),
    "odd blocks": (lambda at: at.with_(**{BLOCK.replace("1", "2") + "attn_gate": torch.ones(1)}), r"layers \[1, 2, "),
    "half a block": (lambda at: at.without(f"{BLOCK}ff.1"), r"before layer 1 lacks \['ff\.1\.weight'\]"),
    "more in a block": (lambda at: at.with_(**{f"{BLOCK}more": torch.ones(1)}), r"has left over \['more'\]"),
    "another name": (lambda at: at.with_(adapter__weight=torch.ones(1)), "names that no OpenFlamingo .* adapter"),
    "blocks of another type": (
        lambda at: at.with_(lang_encoder__gpt_neox__layers__1__gated_cross_attn_layer__x=torch.ones(1)),
        "around a language model of type 'opt' has",
    ),
    "more in the language model": (
        lambda at: at.with_(lang_encoder__model__decoder__more__weight=torch.ones(1)), "has left-over 1 of",
    ),
    "shape": (
        lambda at: at.with_(**{f"{BLOCK}attn.to_q.weight": torch.ones(8, 16)}),
        r"to_q\.weight in checkpoint\.pt is \[8, 16\], but cross\.blocks\.0\.to_q\.weight as configured takes \[512",
    ),
    "rows": (
        lambda at: at.with_(**{"lang_encoder.model.decoder.embed_tokens.weight": torch.ones(263, 16)}),
        "has 261 tokens with those that OpenFlamingo adds, but the checkpoint's embeddings have 263 rows",
    ),
    "width": (
        lambda at: at.with_(**{"lang_encoder.model.decoder.embed_tokens.weight": torch.ones(261, 8)}),
        "embeddings have 8 channels, the language model in .* 16",
    ),
    "every": (lambda at: at.say(cross_attn_every_n_layers=4), "every_n_layers 4, .* every 2 layers; leave it out"),
    "resampler's width": (
        lambda at: at.with_(**{"perceiver.latents": torch.ones(5, 8)}), "resampler reads 8 channels, the tower",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "message"), REFUSED.values(), ids=list(REFUSED))
def test_refuses(tmp_path, capsys, spoil: Callable[[Folder], object], message):
    made = folder(tmp_path, "opt")
    spoil(Folder(tmp_path, made.weights))
    with pytest.raises(SaccadeError, match=message):
        load(tmp_path)
    assert "ran" not in capsys.readouterr().out


def test_refuses_a_language_model_of_two_widths(tmp_path):
    folder(tmp_path, "opt")
    edit(tmp_path / "language" / "config.json", word_embed_proj_dim=8)
    with pytest.raises(SaccadeError, match="embeddings have 8 channels, its layers 16; OpenFlamingo's have one width"):
        load(tmp_path)


def test_new_tokens_without_scores_are_refused_unless_the_language_model_has_them(tmp_path):
    made = folder(tmp_path, "llama")
    at = Folder(tmp_path, made.weights)
    at.without("lm_head")
    with pytest.raises(SaccadeError, match=r"embeddings have 261 rows, but .* lm_head\.weight in .* has 258: the new"):
        load(tmp_path)
    made.language.save_pretrained(tmp_path / "language")
    close(load(tmp_path).logits(images(ROWS[1][0]), ROWS[1][1]), made.logits(images(ROWS[1][0]), ROWS[1][1]))


def test_a_tied_head_that_is_there_a_second_time_must_not_differ(tmp_path):
    made = folder(tmp_path, "opt")
    at = Folder(tmp_path, made.weights)
    table = made.weights["lang_encoder.model.decoder.embed_tokens.weight"]
    at.with_(**{"lang_encoder.lm_head.weight": table.clone()})
    load(tmp_path)
    at.with_(**{"lang_encoder.lm_head.weight": table + 1})
    with pytest.raises(SaccadeError, match=r"lang_encoder\.lm_head\.weight differs from lang_encoder\.model\.decoder"):
        load(tmp_path)


def test_a_tied_head_in_the_language_models_own_file_is_older_than_the_checkpoints_embeddings(tmp_path):
    made = folder(tmp_path, "opt")
    file = tmp_path / "language" / "model.safetensors"
    held = load_file(file)
    save_file({**held, "lm_head.weight": held["model.decoder.embed_tokens.weight"].clone()}, file)
    close(load(tmp_path).logits(images(ROWS[1][0]), ROWS[1][1]), made.logits(images(ROWS[1][0]), ROWS[1][1]))


@pytest.mark.parametrize(("every", "depth", "blocks"), [(1, 24, 24), (2, 32, 16), (4, 32, 8)])
def test_released_models_have_this_many_blocks(every, depth, blocks):
    """3B around MPT-1B, 4B around RedPajama-3B, 9B around MPT-7B."""
    spec = CrossSpec(width=8, source=8, depth=depth, heads=1, head=8, middle=8, every=every, offset=every - 1)
    assert len(spec.places) == blocks
