"""What published models cost as `transformers` runs them: the other side of the tests of costs.

A preset's config is built into the library's own class on the *meta* device, at released size, and run there under
torch's counter: each view through vision tower and connector, then one prefill of the language model, its vocabulary
scored at the last position. Attention is `sdpa` wherever the class has it (ALIGN, Perceiver and the resampler of
IDEFICS-1 have not); the counter takes it in full square, causal or not, windowed or not, unless the model itself splits
its sequence (Qwen2.5's windows). All layers that run are counted: LLaVA's tower runs 24 although its features leave
after 23.

Three things are changed, none of them a shape, because tensors without values cannot answer what is asked of them:

* where the library asks whether a padding mask hides nothing, it is told so;
* rotary angles do not grow with the positions' values (InternVL3's do);
* experts run as one batched product (`batched_mm`): exactly the routed experts of every position, whatever the route.
"""

import gc
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from unittest.mock import patch

import torch
import transformers
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import CONFIG_MAPPING, DynamicCache, masking_utils

from saccade.architectures import PRESETS
from saccade.compat.hf import cache_argument
from tests.exact.runs import PARTS, Parts, Pixels, mask, through

STAGES = ("vision", "connector", "language")


@cache
def config(name: str) -> dict[str, object]:
    """A preset's ``config.json``."""
    return json.loads(PRESETS[name].read_text())["config"]


def answers(name: str) -> bool:
    """Whether a preset writes answers with an ordinary cache, which ``token`` can count."""
    return PARTS[str(config(name)["model_type"])].answers is not None


@lru_cache(maxsize=1)
def made(name: str) -> tuple[nn.Module, Parts]:
    """The model of a preset, without numbers; the one before is let go."""
    gc.collect()
    fields = config(name)
    kind = str(fields["model_type"])
    with torch.device("meta"):
        model = getattr(transformers, PARTS[kind].kind)._from_config(CONFIG_MAPPING[kind].from_dict(fields))
    model.set_experts_implementation("batched_mm")
    for module in model.modules():
        if getattr(module, "rope_type", None) == "dynamic":
            module.rope_type = "default"
    return model.eval().requires_grad_(False), PARTS[kind]


def params(name: str) -> int:
    """All weights, tied ones once."""
    return sum(stages(name).values())


def stages(name: str) -> dict[str, int]:
    """Weights of each stage."""
    model, parts = made(name)
    counts = dict.fromkeys(STAGES, 0)
    for path, weight in model.named_parameters():
        counts[_stage(path, parts)] += weight.numel()
    return counts


def _stage(path: str, parts: Parts) -> str:
    def among(paths: tuple[str, ...]) -> bool:
        return any(path == part or path.startswith(f"{part}.") for part in paths)

    if among(parts.connector):
        return "connector"
    return "vision" if among(parts.vision) else "language"


def flops(name: str, views: Sequence[Pixels], length: int, text: int) -> dict[str, int]:
    """FLOPs of each stage for ``views`` and one prefill of ``length`` positions, of which ``text`` are the question."""
    counts = dict.fromkeys(STAGES, 0)
    for view, times in Counter(_padded(name, views)).items():
        vision, connector = look(name, view, text)
        counts["vision"] += times * vision
        counts["connector"] += times * connector
    counts["language"] = read(name, length, len(views), text)
    return counts


def _padded(name: str, views: Sequence[Pixels]) -> Sequence[Pixels]:
    """Idefics 2 pads the views of one picture to the largest; all others keep their sizes."""
    if config(name)["model_type"] != "idefics2":
        return views
    return [(max(width for width, _ in views), max(height for _, height in views))] * len(views)


@cache
def look(name: str, view: Pixels, text: int) -> tuple[int, int]:
    """FLOPs of tower and connector on one view."""
    model, parts = made(name)
    marks: list[int] = []
    with counting() as counter:
        hooks = [
            hook
            for module in _called(model, parts.connector)
            for hook in (
                module.register_forward_pre_hook(lambda *_: marks.append(-counter.get_total_flops())),
                module.register_forward_hook(lambda *_: marks.append(counter.get_total_flops())),
            )
        ]
        parts.look(model, view, text)
    for hook in hooks:
        hook.remove()
    return counter.get_total_flops() - sum(marks), sum(marks)


def _called(model: nn.Module, paths: tuple[str, ...]) -> Iterator[nn.Module]:
    """The modules among ``paths``; of a list, which is never called itself, its members."""
    modules = dict(model.named_modules())
    for path in paths:
        module = modules.get(path)
        if isinstance(module, nn.ModuleList):
            yield from module
        elif module is not None:
            yield module


@cache
def read(name: str, length: int, views: int, text: int) -> int:
    """FLOPs of one prefill."""
    model, parts = made(name)
    with counting() as counter:
        parts.read(model, length, views, text)
    return counter.get_total_flops()


@cache
def token(name: str, length: int) -> tuple[int, int]:
    """FLOPs of one position after ``length`` others, and the numbers that their cache holds before it."""
    model, parts = made(name)
    assert parts.answers is not None
    decoder, head = map(model.get_submodule, parts.answers)
    held = DynamicCache(config=decoder.config)
    told = {"use_cache": True, **cache_argument(decoder, held)}
    with torch.no_grad():
        through(decoder, length, attention_mask=mask(length), **told)
    numbers = sum(layer.keys.numel() + layer.values.numel() for layer in held.layers)
    with counting() as counter:
        head(through(decoder, 1, attention_mask=None, **told))
    return counter.get_total_flops(), numbers


@contextmanager
def counting() -> Iterator[FlopCounterMode]:
    """The counter, without gradients and without a look at padding."""
    unpadded = patch.object(masking_utils, "_ignore_bidirectional_mask_sdpa", lambda *_: True)
    with unpadded, torch.no_grad(), FlopCounterMode(display=False) as counter:
        yield counter
