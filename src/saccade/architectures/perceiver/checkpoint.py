"""A Perceiver IO folder as ``transformers`` writes it: its config to a spec, its weights to our modules.

transformers' classes are not the authors' function on the same weights: GELU is exact where JAX's is approximate, the
decoder of the model with learned positions adds its query, the stem pads otherwise and so reads 55² tokens instead of
56², and a row that may see nothing gets a mean instead of nothing. ``semantics`` says whose function is wanted.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import PerceiverConfig

from saccade.architectures.perceiver import weights as weights
from saccade.architectures.perceiver.autoencode import Autoencoder
from saccade.architectures.perceiver.autoencode_spec import AutoencodeSpec
from saccade.architectures.perceiver.flow import OpticalFlow
from saccade.architectures.perceiver.inputs_spec import (
    ByteInputSpec,
    FourierSpec,
    InputSpec,
    MixedInputSpec,
    PatchInputSpec,
    PixelInputSpec,
    SoundInputSpec,
    StemInputSpec,
    TableInputSpec,
)
from saccade.architectures.perceiver.io import MEAN, STD, Colour, Masked, PictureClassifier, TextClassifier
from saccade.architectures.perceiver.io_spec import MaskedSpec, OpticalFlowSpec, PerceiverIOSpec
from saccade.compat.hf import label_channels, without_random_init
from saccade.core.errors import SaccadeError, unknown
from saccade.core.size import Size
from saccade.specs.laws.perceiver import AttendSpec, DecodeSpec, PerceiverSpec
from saccade.specs.layouts.resize import CropThenResizeSpec
from saccade.weights.files import fill, listing, require, traced
from saccade.weights.images import processor_of

SEMANTICS = ("authors", "hf")
"""Whose function the weights are run with: DeepMind's, or transformers'."""
PerceiverModel = PictureClassifier | TextClassifier | Masked | OpticalFlow | Autoencoder
ACTS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}
"""Their names of activations, and ours."""
STEPS = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")
"""What their image processor does, all of which is done here."""

_DECODER = "decoder.decoder."
_Made = tuple[PerceiverModel, weights.Names]


def loaded(folder: Path, config: Mapping[str, Any], semantics: str | None = None) -> PerceiverModel:
    """The model that ``config`` names in its ``architectures``, filled from ``folder``; the authors' unless told.

    Raises SaccadeError for classes that are none of ``MODELS``, options that no part here has, and weights that are
    missing, left over or misshapen.
    """
    rules = "authors" if semantics is None else semantics
    if rules not in SEMANTICS:
        raise unknown("semantics of a Perceiver", rules, SEMANTICS)
    named = config.get("architectures") or ()
    found = next((MODELS[name] for name in named if name in MODELS), None)
    if found is None:
        raise SaccadeError(
            f"{folder} names the architectures {list(named)!r}; name one of {', '.join(MODELS)} in its config.json"
        )
    given, files = Published(PerceiverConfig.from_dict(dict(config)), rules, folder), listing(folder)
    with without_random_init():
        model, names = found(given)
    assert set(names) == set(model.state_dict())
    wanted = {one for name in names.values() for one in ((name,) if isinstance(name, str) else name)}
    require(set(files), wanted, folder)
    fill(model, traced(names, files))
    return model.eval()


class Published:
    """A published config, and whose function is wanted of it."""

    def __init__(self, config: Any, semantics: str, folder: Path) -> None:  # noqa: ANN401
        self.config, self.folder, self.authors = config, folder, semantics == "authors"
        if config.hidden_act not in ACTS:
            raise SaccadeError(
                f"{folder} has the activation {config.hidden_act!r}, here it is one of {', '.join(ACTS)}; load this "
                "one with transformers"
            )

    def attend(self, **sizes: Any) -> AttendSpec:  # noqa: ANN401
        """A block of these ``sizes``."""
        act: Any = "gelu_tanh" if self.authors else ACTS[self.config.hidden_act]
        return AttendSpec(act=act, empty="zero" if self.authors else "mean", **sizes)

    def cross(self, width: int, source: int, **sizes: Any) -> AttendSpec:  # noqa: ANN401
        """A block that looks at something else, whose scores are as wide as the config says where nothing is given."""
        shape = self.config.cross_attention_shape_for_attention
        if shape not in ("q", "kv"):
            raise SaccadeError(f"{self.folder}: cross_attention_shape_for_attention is 'q' or 'kv', got {shape!r}")
        if sizes.get("qk") is None:
            sizes["qk"] = width if shape == "q" else source
        return self.attend(width=width, source=source, **sizes)

    def io(self, inputs: InputSpec, block: AttendSpec, *, queries: int, out: int) -> PerceiverIOSpec:
        """Inputs and queries around this config's latents."""
        config = self.config
        encoder = PerceiverSpec(
            latents=config.num_latents,
            read=self.cross(
                config.d_latents,
                inputs.width,
                heads=config.num_cross_attention_heads,
                qk=config.qk_channels,
                v=config.v_channels,
                widen=config.cross_attention_widening_factor,
                residual=config.use_query_residual,
            ),
            layer=self.attend(
                width=config.d_latents,
                heads=config.num_self_attention_heads,
                qk=config.qk_channels,
                v=config.v_channels,
                widen=config.self_attention_widening_factor,
            ),
            blocks=config.num_blocks,
            layers=config.num_self_attends_per_block,
        )
        decoder = DecodeSpec(latents=config.num_latents, block=block, queries=queries, out=out)
        return PerceiverIOSpec(inputs=inputs, encoder=encoder, decoder=decoder)

    def classified(self, inputs: InputSpec, *, residual: bool = True) -> PerceiverIOSpec:
        """One learned query, its answer the classes' scores."""
        width = self.config.d_latents
        block = self.cross(width, width, residual=residual)
        return self.io(inputs, block, queries=1, out=self.config.num_labels)

    @property
    def side(self) -> int:
        """Of the square of places that pictures have."""
        side: Any = self.config.image_size
        if not isinstance(side, int):
            raise SaccadeError(f"{self.folder} has the image_size {side}, these classes have squares; give one number")
        return side

    @property
    def bytes(self) -> ByteInputSpec:
        """Texts."""
        config = self.config
        return ByteInputSpec(
            vocabulary=config.vocab_size, width=config.d_model, positions=config.max_position_embeddings
        )

    def views(self) -> tuple[CropThenResizeSpec, tuple[Colour, Colour]]:
        """How pictures are cropped, scaled and normalised, by the folder's image processor where there is one."""
        told = processor_of(self.folder)
        skipped = [step for step in STEPS if told.get(step, True) is not True]
        if skipped:
            raise SaccadeError(
                f"the image processor of {self.folder} leaves out {', '.join(skipped)}, which is always done "
                "here; set it to true, or take its file away and hand pixels in"
            )
        filtered, factor = told.get("resample", 3), told.get("rescale_factor", 1 / 255)
        if filtered != 3 or abs(255 * factor - 1) > 1e-6:
            raise SaccadeError(
                f"the image processor of {self.folder} resamples by filter {filtered} and scales by {factor}, here it "
                "is bicubic (3) and 1/255; set them so, or take its file away and hand pixels in"
            )
        size = told.get("size") or {"height": 224, "width": 224}
        crop = told.get("crop_size") or {"height": 256, "width": 256}
        first, second, third = told.get("image_mean") or MEAN
        red, green, blue = told.get("image_std") or STD
        spec = CropThenResizeSpec(size=Size(size["width"], size["height"]), of=crop["width"])
        return spec, ((first, second, third), (red, green, blue))


def _fourier(given: Published) -> _Made:
    return _pictures(given, given.classified(PixelInputSpec()))


def _learned(given: Published) -> _Made:
    return _pictures(given, given.classified(TableInputSpec(side=given.side), residual=not given.authors))


def _convolved(given: Published) -> _Made:
    return _pictures(given, given.classified(StemInputSpec(same=given.authors)))


def _pictures(given: Published, spec: PerceiverIOSpec) -> _Made:
    return PictureClassifier(spec, *given.views()), weights.under("io.", "", weights.io_names(spec, _DECODER))


def _texts(given: Published) -> _Made:
    spec = given.classified(given.bytes)
    return TextClassifier(spec), weights.under("io.", "", weights.io_names(spec, _DECODER))


def _masked(given: Published) -> _Made:
    config = given.config
    block = given.cross(
        config.d_model, config.d_latents, heads=8, qk=256, v=config.d_model, residual=False
    )  # fmt: skip
    spec = MaskedSpec(io=given.io(given.bytes, block, queries=config.max_position_embeddings, out=0))
    names = weights.under("io.", "", weights.io_names(spec.io, "decoder."))
    return Masked(spec), names | {"bias": "embedding_decoder.bias"}


def _flow(given: Published) -> _Made:
    rows, cols = given.config.train_size
    inputs = PatchInputSpec(
        places=FourierSpec(bands=64, resolution=(rows, cols)), frames=2, channels=27, features=64
    )  # fmt: skip
    block = given.cross(inputs.width, given.config.d_latents, residual=False)
    spec = OpticalFlowSpec(io=given.io(inputs, block, queries=0, out=2), rows=rows, cols=cols)
    return OpticalFlow(spec), weights.under("io.", "", weights.io_names(spec.io, _DECODER))


def _autoencoded(given: Published) -> _Made:
    config = given.config
    samples, run = config.num_frames * config.audio_samples_per_frame, config.samples_per_patch
    heard = FourierSpec(bands=192, resolution=(samples,))
    seen = FourierSpec(bands=32, resolution=(config.num_frames, given.side, given.side))
    inputs = MixedInputSpec(
        sound=SoundInputSpec(places=heard, samples=run),
        image=PatchInputSpec(places=seen, side=4),
        label=config.num_labels,
    )
    label = label_channels(config)
    asked = max(heard.width, seen.width, label) + 2
    block = given.cross(asked, config.d_latents, residual=False)
    _, *shape = config.output_shape
    spec = AutoencodeSpec(
        io=given.io(inputs, block, queries=0, out=config.output_num_channels),
        image=seen,
        sound=heard,
        label=label,
        shape=(shape[0], shape[1], shape[2]),
        samples=samples,
    )
    names = weights.under("io.", "", weights.io_names(spec.io, _DECODER))
    names["label"] = "perceiver.decoder.modalities.label.decoder.output_position_encodings.position_embeddings"
    for ours, theirs in zip(weights.OURS, weights.KINDS, strict=True):
        names[f"padding.{ours}"] = f"perceiver.decoder.padding.{theirs}"
        names |= weights.both(f"heads.{ours}", f"perceiver.output_postprocessor.modalities.{theirs}.classifier")
    return Autoencoder(spec), names


MODELS: dict[str, Callable[[Published], _Made]] = {
    "PerceiverForMaskedLM": _masked,
    "PerceiverForSequenceClassification": _texts,
    "PerceiverForImageClassificationFourier": _fourier,
    "PerceiverForImageClassificationLearned": _learned,
    "PerceiverForImageClassificationConvProcessing": _convolved,
    "PerceiverForOpticalFlow": _flow,
    "PerceiverForMultimodalAutoencoding": _autoencoded,
}
"""transformers' classes, by the name that a folder's ``architectures`` give."""
