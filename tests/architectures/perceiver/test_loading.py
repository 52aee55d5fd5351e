"""``load`` of Perceiver folders: as transformers runs them, and as their authors do."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from transformers import PerceiverImageProcessorPil, PerceiverTokenizer

from saccade.architectures.perceiver.autoencode import Autoencoder
from saccade.architectures.perceiver.flow import OpticalFlow
from saccade.architectures.perceiver.io import Masked, PictureClassifier, TextClassifier
from saccade.architectures.perceiver.spelling import read_back, spelt
from saccade.backends.store import load
from saccade.core.errors import SaccadeError
from tests.architectures.llava.folders import edit
from tests.architectures.perceiver.folders import PICTURES, checkpoint, clips, pixels, texts
from tests.nn.test_perceiver import slow
from tests.parts import close, picture

WIDE = 1e-4
"""What the house allows whole Fourier models."""
KINDS = {
    "MaskedLM": Masked, "SequenceClassification": TextClassifier, "OpticalFlow": OpticalFlow,
    "MultimodalAutoencoding": Autoencoder, **dict.fromkeys((f"ImageClassification{one}" for one in PICTURES),
                                                          PictureClassifier),
}  # fmt: skip


def side(kind: str) -> int:
    """Of a picture that this kind reads."""
    return 23 if kind == "ConvProcessing" else 12


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", PICTURES)
def test_pictures_as_transformers_has_them(tmp_path, kind, masked):
    theirs, given = checkpoint(tmp_path, f"ImageClassification{kind}"), pixels(side(kind))
    told = {"interpolate_pos_encoding": True} if kind == "Learned" else {}
    ours = load(tmp_path, semantics="hf")
    tokens = ours.io.inputs(given).shape[1]
    mask = torch.rand(2, tokens, generator=torch.Generator().manual_seed(3)) < 0.6 if masked else None
    told |= {"attention_mask": mask.long()} if masked else {}
    close(ours(given, mask), theirs(given, **told).logits, WIDE)
    if masked:
        assert float((ours(given) - ours(given, mask)).detach().abs().max()) > 1e-3


@pytest.mark.parametrize(("option", "value"), [
    ("cross_attention_shape_for_attention", "q"), ("use_query_residual", False), ("hidden_act", "gelu_new"),
    ("qk_channels", 20), ("cross_attention_widening_factor", 3), ("num_cross_attention_heads", 2),
])  # fmt: skip
def test_options_of_the_config(tmp_path, option, value):
    more = {"v_channels": 16} if option == "qk_channels" else {}
    more |= {"cross_attention_shape_for_attention": "q"} if option == "num_cross_attention_heads" else {}
    theirs = checkpoint(tmp_path, "ImageClassificationFourier", **{option: value}, **more)
    close(load(tmp_path, semantics="hf")(pixels()), theirs(pixels()).logits, WIDE)


@pytest.mark.parametrize("masked", [False, True])
def test_texts_as_transformers_has_them(tmp_path, masked):
    ids, real = texts()
    given = {"attention_mask": real.long()} if masked else {}
    for kind in ("MaskedLM", "SequenceClassification"):
        theirs = checkpoint(tmp_path / kind, kind)
        ours = load(tmp_path / kind, semantics="hf")
        found = theirs(ids, **given).logits
        close(ours(ids, real if masked else None), found[:, :9] if kind == "MaskedLM" else found)


def test_a_text_of_padding_alone(tmp_path):
    """transformers reads the mean of what it may not read; the authors read nothing."""
    theirs, (ids, real) = checkpoint(tmp_path, "SequenceClassification"), texts()
    real = real & torch.tensor([True, True, False])[:, None]
    ours = load(tmp_path, semantics="hf")
    close(ours(ids, real), theirs(ids, attention_mask=real.long()).logits)
    authors, other = load(tmp_path), torch.where(real, ids, 17)
    close(authors(other, real), authors(ids, real))
    assert float((ours(other, real) - ours(ids, real)).detach().abs().max()) > 1e-3


def test_flow_as_transformers_has_it(tmp_path):
    theirs, pair = checkpoint(tmp_path, "OpticalFlow"), torch.randn(2, 2, 27, 12, 14)
    ours = load(tmp_path, semantics="hf")
    close(ours(pair), theirs(pair).logits, WIDE)
    close(ours(pair, chunk=50), ours(pair))


def autoencoded(model, points, given=None):
    given = clips() if given is None else given
    told = {"audio": given["sound"][:, None], "image": given["image"], "label": given.get("label", torch.zeros(2, 5))}
    found = model(told, subsampled_output_points={"audio": points["sound"], "image": points["image"]}).logits
    return {"sound": found["audio"], "image": found["image"], "label": found["label"]}


def test_autoencoding_as_transformers_has_it(tmp_path):
    theirs = checkpoint(tmp_path, "MultimodalAutoencoding")
    ours = load(tmp_path, semantics="hf")
    points = {"sound": torch.tensor([0, 3, 11]), "image": torch.tensor([5, 127, 0, 64])}
    for kind, found in autoencoded(theirs, points).items():
        close(ours(clips(), points)[kind], found, WIDE)
    labelled = {**clips(), "label": torch.randn(2, 5)}
    close(ours(labelled, points)["label"], ours(clips(), points)["label"])  # it is hidden
    whole = ours(clips())
    assert {kind: tuple(one.shape) for kind, one in whole.items()} == {
        "sound": (2, 48), "image": (2, 128, 3), "label": (2, 5),
    }  # fmt: skip
    close(whole["image"][:, points["image"]], ours(clips(), points)["image"])
    close(whole["sound"].unflatten(1, (12, 4))[:, points["sound"]].flatten(1), ours(clips(), points)["sound"])
    for kind, found in ours(clips(), chunk=17).items():
        close(found, whole[kind])


def test_one_set_of_latents_answers_what_is_asked_later(tmp_path):
    checkpoint(tmp_path, "MultimodalAutoencoding")
    ours = load(tmp_path)
    z = ours.encode(clips())
    assert z.shape == (2, 6, 16)
    for kind, found in ours.decode(z).items():
        close(found, ours(clips())[kind])


def core_of_the_authors(model, tokens, mask):
    """Latents by the literal formulas."""
    encoder, views = model.io.encoder, len(tokens)
    z = encoder.latents.expand(views, -1, -1)
    z = slow(encoder.reads[0], z, tokens, None if mask is None else mask[:, None].expand(-1, 6, -1))
    for _ in range(2):
        for layer in encoder.blocks[0]:
            z = slow(layer, z, z)
    return z


@pytest.mark.parametrize("masked", [False, True])
def test_masked_bytes_as_the_authors_have_them(tmp_path, masked):
    """Queries of padding see nothing, which transformers forgets."""
    checkpoint(tmp_path, "MaskedLM")
    ours, (ids, real) = load(tmp_path), texts()
    mask = real if masked else None
    tensors = load_file(tmp_path / "model.safetensors")
    words = tensors["perceiver.input_preprocessor.embeddings.weight"]
    places = tensors["perceiver.input_preprocessor.position_embeddings.weight"]
    z = core_of_the_authors(ours, words[ids] + places[:9], mask)
    queries = tensors["perceiver.decoder.output_position_encodings.position_embeddings"][None, :9]
    found = slow(ours.io.decoder.block, queries, z, None if mask is None else mask[:, :, None].expand(-1, -1, 6))
    close(ours(ids, mask), found @ words.T + tensors["embedding_decoder.bias"])
    if masked:
        assert float((ours(ids, real) - load(tmp_path, semantics="hf")(ids, real))[~real].detach().abs().max()) > 1e-2


def test_learned_positions_as_the_authors_have_them(tmp_path):
    """No query is added in the decoder, and that is what differs most."""
    checkpoint(tmp_path, "ImageClassificationLearned")
    ours, theirs, given = load(tmp_path), load(tmp_path, semantics="hf"), pixels()[..., :12]
    tensors = load_file(tmp_path / "model.safetensors")
    start = "perceiver.input_preprocessor."
    table = F.linear(tensors[f"{start}position_embeddings.position_embeddings"],
                     *(tensors[f"{start}positions_projection.{one}"] for one in ("weight", "bias")))  # fmt: skip
    mixed = torch.einsum("oc,bchw->bhwo", tensors[f"{start}convnet_1x1.weight"][:, :, 0, 0], given).flatten(1, 2)
    tokens = torch.cat([mixed + tensors[f"{start}convnet_1x1.bias"], table.expand(2, -1, -1)], dim=-1)
    query = tensors["perceiver.decoder.decoder.output_position_encodings.position_embeddings"]
    assert not ours.spec.decoder.block.residual
    found = slow(ours.io.decoder.block, query[None], core_of_the_authors(ours, tokens, None))
    close(ours(given), ours.io.decoder.out(found)[:, 0], WIDE)
    ours.io.decoder.block.spec = replace(ours.io.decoder.block.spec, residual=True)
    assert float((ours(given) - theirs(given)).detach().abs().max()) < 0.05  # GELU is left


def same(x: torch.Tensor, kernel: int, value: float) -> torch.Tensor:
    """TensorFlow's padding for a stride of 2, side by side."""
    for axis in (2, 3):
        side = x.shape[axis]
        lacking = max((-(-side // 2) - 1) * 2 + kernel - side, 0)
        shape = list(x.shape)
        shape[axis] = lacking // 2
        before = torch.full(shape, value)
        shape[axis] = lacking - lacking // 2
        x = torch.cat([before, x, torch.full(shape, value)], dim=axis)
    return x


@pytest.mark.parametrize("size", [(224, 224), (23, 40)])
def test_the_stem_as_the_authors_have_it(tmp_path, size):
    checkpoint(tmp_path, "ImageClassificationConvProcessing")
    ours, given = load(tmp_path).io.inputs, torch.randn(1, 3, *size)
    x = F.conv2d(same(given, 7, 0.0), ours.conv.weight, stride=2)
    norm = ours.norm
    x = (x - norm.running_mean[:, None, None]) / (norm.running_var[:, None, None] + 1e-5).sqrt()
    x = (x * norm.weight[:, None, None] + norm.bias[:, None, None]).relu()
    x = F.max_pool2d(same(x, 3, -torch.inf), 3, 2)
    assert x.shape[2:] == (-(-size[0] // 4), -(-size[1] // 4))
    close(ours(given)[..., :64], x.flatten(2).mT)
    grid = ours.spec.grid(*size)
    assert (grid.rows, grid.cols) == x.shape[2:]
    theirs = load(tmp_path, semantics="hf").io.inputs
    grid = theirs.spec.grid(*size)
    assert theirs(given).shape[1] == grid.tokens
    assert size != (224, 224) or (len(ours(given)[0]), grid.tokens) == (3136, 3025)


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_model_of_the_seven(tmp_path, kind):
    checkpoint(tmp_path, kind)
    for semantics, act, empty in (
        (None, "gelu_tanh", "zero"),
        ("authors", "gelu_tanh", "zero"),
        ("hf", "gelu", "mean"),
    ):
        model = load(tmp_path, semantics=semantics)
        assert type(model) is KINDS[kind]
        assert not model.training
        blocks = [module.spec for module in model.modules() if type(module).__name__ == "Attend"]
        assert {(block.act, block.empty) for block in blocks} == {(act, empty)}
        assert len(blocks) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_is_used(tmp_path, kind):
    checkpoint(tmp_path, kind)
    model = load(tmp_path).train()
    out = {
        "MaskedLM": lambda: model(*texts()),
        "SequenceClassification": lambda: model(*texts()),
        "OpticalFlow": lambda: model(torch.randn(2, 2, 27, 12, 14)),
        "MultimodalAutoencoding": lambda: torch.cat([one.flatten() for one in model(clips()).values()]),
    }.get(kind, lambda: model(pixels(side(kind.removeprefix("ImageClassification")))))()
    out.square().sum().backward()
    unused = {name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()}
    hidden = {"padding.label", "mask.sound", "mask.image"}  # a label that is hidden, and what never is
    assert unused == ({f"io.inputs.{name}" for name in hidden} if kind == "MultimodalAutoencoding" else set())


def test_pictures_are_prepared_as_their_processor_does(tmp_path):
    checkpoint(tmp_path, "ImageClassificationFourier")
    processor = PerceiverImageProcessorPil(size={"height": 24, "width": 24}, crop_size={"height": 28, "width": 28})
    processor.save_pretrained(tmp_path)
    ours, images = load(tmp_path), [picture(90, 61), picture(40, 77)]
    theirs = processor(images, return_tensors="pt").pixel_values
    found = ours.pixels(images)
    assert found.shape == theirs.shape == (2, 3, 24, 24)
    close(found, theirs)
    close(ours.classify(images), ours(found))


def test_texts_are_spelt_as_their_tokenizer_does(tmp_path):
    checkpoint(tmp_path, "MaskedLM")
    model, said = load(tmp_path), ["cats, déjà vu", "a"]
    theirs = PerceiverTokenizer()(said, padding=True, return_tensors="pt")
    ids = spelt(said, model.spec)
    assert ids.equal(theirs.input_ids)
    assert [read_back(row, model.spec) for row in ids] == said
    found = model.scores(said)
    assert [len(one) for one in found] == theirs.attention_mask.sum(1).tolist()
    close(found[1], model(ids[1:, :3])[0])


def test_pictures_larger_than_a_tile(tmp_path):
    """Flow by tiles: one tile is the model alone, and several are weighed by the distance from their edges."""
    checkpoint(tmp_path, "OpticalFlow")
    model = load(tmp_path)
    first, second = torch.rand(2, 1, 3, 12, 14) * 2 - 1
    grey = F.pad(torch.stack([first, second], 1), (1, 1, 1, 1))
    around = torch.stack(
        [grey[..., down : down + 12, across : across + 14] for down in range(3) for across in range(3)], 2
    )
    close(model.flow(first, second, overlap=5), 20 * model(around.flatten(2, 3)))
    assert list(model.tiles(12, 14, 3)) == [(0, 0)]
    assert list(model.tiles(30, 14, 3)) == [(0, 0), (9, 0), (18, 0)]
    assert list(model.tiles(21, 25, 3)) == [(0, 0), (0, 11), (9, 0), (9, 11)]
    first, second = torch.rand(2, 1, 3, 12, 25) * 2 - 1
    grey = F.pad(torch.stack([first, second], 1), (1, 1, 1, 1))
    around = torch.stack(
        [grey[..., down : down + 12, across : across + 25] for down in range(3) for across in range(3)], 2
    )
    around = around.flatten(2, 3)
    left, right = (20 * model(around[..., start : start + 14])[0, 4] for start in (0, 11))
    found = model.flow(first, second, overlap=3)[0, 4]
    close(found[:11], left[:11])
    close(found[14:], right[3:])
    shares = torch.tensor([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]])  # columns 11 to 13, 5 rows from the edge
    close(found[11:14], (shares[:, :1] * left[11:] + shares[:, 1:] * right[:3]) / 4)


def test_refuses_what_does_not_fit(tmp_path):
    checkpoint(tmp_path / "flow", "OpticalFlow")
    flow, (a, b) = load(tmp_path / "flow"), torch.rand(2, 1, 3, 10, 20)
    with pytest.raises(SaccadeError, match=r"tiles of 12×14 \(rows, columns\), got a picture of 10×20; enlarge"):
        flow.flow(a, b, overlap=5)
    with pytest.raises(SaccadeError, match="between pictures of one size"):
        flow.flow(a, b[..., 1:])
    with pytest.raises(SaccadeError, match="overlap by 0 to 11 pixels, got 12"):
        list(flow.tiles(20, 20, 12))
    checkpoint(tmp_path / "clip", "MultimodalAutoencoding")
    model = load(tmp_path / "clip")
    with pytest.raises(SaccadeError, match="a label that is always hidden may be left out, got image"):
        model({"image": clips()["image"]})
    with pytest.raises(SaccadeError, match="sound has points 0 to 11, got 0 to 12"):
        model(clips(), {"sound": torch.tensor([0, 12])})
    with pytest.raises(SaccadeError, match="points are of sound and image, got label"):
        model(clips(), {"label": torch.tensor([0])})
    with pytest.raises(SaccadeError, match="47 samples are no whole number of tokens of 4; cut them to 44"):
        model(clips() | {"sound": torch.randn(2, 47)})
    with pytest.raises(SaccadeError, match=r"blocks of 1×4×4 do not fill 2×8×6"):
        model(clips() | {"image": torch.randn(2, 2, 3, 8, 6)})
    checkpoint(tmp_path / "text", "MaskedLM")
    with pytest.raises(SaccadeError, match="20 positions are asked for, got 21 ids; cut"):
        load(tmp_path / "text")(torch.zeros(1, 21, dtype=torch.long))


FAULTS = {
    "no class": ({"architectures": None}, r"names the architectures \[\]; name one of PerceiverForMaskedLM"),
    "a class of its own": ({"architectures": ["PerceiverModel"]}, r"names the architectures \['PerceiverModel'\]"),
    "another activation": ({"hidden_act": "relu"}, "has the activation 'relu', here it is one of gelu"),
    "another shape": ({"cross_attention_shape_for_attention": "k"}, "is 'q' or 'kv', got 'k'"),
    "other heads": ({"num_self_attention_heads": 3}, "3 heads cannot share 16 channels of qk evenly; take a divisor"),
    "another width": ({"d_latents": 32}, r"embeddings\.latents in model\.safetensors is \[6, 16\], but .* \[6, 32\]"),
}


def test_places_are_a_square(tmp_path):
    checkpoint(tmp_path, "ImageClassificationLearned")
    edit(tmp_path / "config.json", image_size=[12, 16])
    with pytest.raises(
        SaccadeError, match=r"has the image_size \[12, 16\], these classes have squares; give one number"
    ):
        load(tmp_path)


@pytest.mark.parametrize("fault", FAULTS)
def test_configs_that_are_refused(tmp_path, fault):
    changes, message = FAULTS[fault]
    checkpoint(tmp_path, "ImageClassificationFourier")
    edit(tmp_path / "config.json", **changes)
    with pytest.raises(SaccadeError, match=message):
        load(tmp_path)


def test_weights_that_are_missing_or_left_over(tmp_path):
    checkpoint(tmp_path, "ImageClassificationFourier")
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    gone = "perceiver.encoder.self_attends.1.attention.self.key.bias"
    save_file({name: tensor for name, tensor in tensors.items() if name != gone}, file, {"format": "pt"})
    with pytest.raises(SaccadeError, match=rf"lacks 1 of \d+ weights: {gone}"):
        load(tmp_path)
    save_file(tensors | {"adapter.weight": torch.ones(2)}, file, {"format": "pt"})
    with pytest.raises(SaccadeError, match=r"has left-over 1 of \d+ weights: adapter\.weight"):
        load(tmp_path)


def test_semantics_are_one_of_two_and_for_perceivers_alone(tmp_path):
    checkpoint(tmp_path, "ImageClassificationFourier")
    with pytest.raises(SaccadeError, match="unknown semantics of a Perceiver 'author'; did you mean authors"):
        load(tmp_path, semantics="author")
    edit(tmp_path / "config.json", model_type="llava")
    with pytest.raises(SaccadeError, match=r"semantics is for perceiver, .* holds another model; leave it out"):
        load(tmp_path, semantics="hf")


@pytest.mark.parametrize(("told", "message"), [
    ({"do_center_crop": False}, "leaves out do_center_crop, which is always done here"),
    ({"resample": 2}, r"resamples by filter 2 and scales by 0\.0039\d+, here it is bicubic"),
    ({"rescale_factor": 1.0}, r"and scales by 1\.0, here it is bicubic"),
])  # fmt: skip
def test_a_processor_that_does_otherwise_is_refused(tmp_path, told, message):
    checkpoint(tmp_path, "ImageClassificationFourier")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    with pytest.raises(SaccadeError, match=message):
        load(tmp_path)


def test_a_saved_state_is_loaded_again(tmp_path):
    """The modules are plain: what torch saves of them fills another of the same spec."""
    checkpoint(tmp_path, "ImageClassificationConvProcessing")
    first = load(tmp_path)
    again = PictureClassifier(first.spec, first.views).eval()
    again.load_state_dict(first.state_dict())
    assert isinstance(again, nn.Module)
    assert again(pixels(24)).equal(first(pixels(24)))
