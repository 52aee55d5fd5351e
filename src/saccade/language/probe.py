"""A probe of attention: what the last positions attend to, beside the fast attention of an untouched model.

Law     softmax(Q Kᵀ) of the last ``rows`` positions at the chosen layers, one map a layer: batch × heads × rows × keys.
Used by where a model looks: relative attention (ViCrop), and whatever drops tokens by what they are attended to.
Costs   rows × keys a head and layer; the model's own attention runs as ever (``sdpa``), so its scores do not change.
Source  the interface of ``transformers`` for attention functions; masks, groups of heads, scaling and softcapping are
        those that the function is handed. It refuses attention that adds sinks, and models that ask nobody.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, get_ident
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedConfig, PreTrainedModel

from saccade.compat.hf import attention_of, has_sinks, hides_later, layer_number, restore_attention
from saccade.core.errors import SaccadeError

NAME = "saccade_probe"
"""What the attention is called while a model is probed."""


@dataclass(slots=True, eq=False)
class Probe:
    """``maps`` of the last forward pass by layer, in float32, without gradients."""

    layers: frozenset[int] | None
    rows: int
    thread: int
    maps: dict[int, Float[Tensor, "batch heads rows keys"]] = field(default_factory=dict)
    calls: dict[int, int] = field(default_factory=dict)

    def note(self, module: nn.Module, query: Tensor, key: Tensor, told: dict[str, Any]) -> None:
        """Keep what this layer's last rows attend to, where it was asked for."""
        number = layer_number(module)
        if number is None or get_ident() != self.thread:
            return
        if self.calls.setdefault(number, id(module)) != id(module):
            raise SaccadeError(f"two stacks of this model have a layer {number}; name the part that is meant")
        if self.layers is None or number in self.layers:
            rows = min(self.rows, query.shape[2])
            self.maps[number] = _scores(module, query, key, rows, **told).softmax(dim=-1).detach()


# The function is registered once for all models, so it has to know whose layer it is called by.
_PROBES: WeakKeyDictionary[nn.Module, Probe] = WeakKeyDictionary()
_LOCK = Lock()


@contextmanager
def probed(
    model: nn.Module, layers: Sequence[int] | None = None, rows: int = 1, part: str | None = None
) -> Iterator[Probe]:
    """While this lasts, forward passes of ``model`` in this thread leave their attention at ``layers`` (None: all).

    ``part`` names the config of the part that is meant where there are several: ``text_config`` in most models that
    read pictures. Raises SaccadeError for layers that there are not, for models that are probed already, and, at the
    end, where no layer asked for its attention.
    """
    if rows < 1:
        raise SaccadeError(f"a probe notes at least 1 row, got {rows}")
    tops = _tops(model, part)
    probe = Probe(None if layers is None else frozenset(layers), rows, get_ident())
    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, AttentionMaskInterface()["sdpa"])
    watched = list(model.modules())
    with _LOCK:
        if any(module in _PROBES for module in watched):
            raise SaccadeError(f"{type(model).__name__} is being probed already; end that probe first")
        _PROBES.update(dict.fromkeys(watched, probe))
    before = [(config, attention_of(config)) for config in _configs(model)]
    try:
        for top in tops:
            top.set_attn_implementation(NAME if part is None else {part: NAME})
        yield probe
    finally:
        for config, name in before:
            restore_attention(config, name)
        with _LOCK:
            for module in watched:
                _PROBES.pop(module, None)
    _check(probe, model)


def _check(probe: Probe, model: nn.Module) -> None:
    if not probe.calls:
        raise SaccadeError(
            f"no layer of {type(model).__name__} asked for its attention: its class computes it by itself, or nothing "
            "was run; run it inside the probe, or take a model that uses transformers' AttentionInterface"
        )
    missing = sorted((probe.layers or frozenset()) - set(probe.calls))
    if missing:
        raise SaccadeError(
            f"{type(model).__name__} has no layers {missing}; those that attend are {sorted(probe.calls)}"
        )


def _tops(model: nn.Module, part: str | None) -> list[PreTrainedModel]:
    """The library's models in ``model`` that stand in no other."""
    named = [(name, module) for name, module in model.named_modules() if isinstance(module, PreTrainedModel)]
    inside = [name for name, _ in named]
    tops = [
        module
        for name, module in named
        if not any(other != name and (not other or name.startswith(f"{other}.")) for other in inside)
    ]
    if not tops:
        raise SaccadeError(f"{type(model).__name__} holds no model of transformers, whose attention could be probed")
    if part is not None and any(part not in top.config.sub_configs for top in tops):
        known = sorted({name for top in tops for name in top.config.sub_configs})
        raise SaccadeError(f"{type(model).__name__} has no part {part!r}; it has {', '.join(known) or 'none'}")
    return tops


def _configs(model: nn.Module) -> list[PreTrainedConfig]:
    """Every config that says how some part attends, once."""
    waiting = [module.config for module in model.modules() if isinstance(module, PreTrainedModel)]
    found: dict[int, PreTrainedConfig] = {}
    while waiting:
        config = waiting.pop()
        if id(config) not in found:
            found[id(config)] = config
            waiting += [sub for name in config.sub_configs if (sub := getattr(config, name)) is not None]
    return list(found.values())


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **named: object
) -> tuple[Tensor, Tensor | None]:
    """The attention itself, and a note of it. Keywords are the library's: layers pass them by name."""
    told: dict[str, Any] = dict(named)
    if has_sinks(told):
        raise SaccadeError(f"{type(module).__name__} attends to sinks beside its keys, which no probe shows here")
    probe = _PROBES.get(module)
    if probe is not None:
        probe.note(module, query, key, {**told, "attention_mask": attention_mask})
    if told.get("softcap") is None:
        return AttentionInterface()["sdpa"](module, query, key, value, attention_mask, **told)
    # The fast attention knows no cap, so this one computes all its rows.
    weights = _scores(module, query, key, query.shape[2], attention_mask=attention_mask, **told).softmax(dim=-1)
    weights = nn.functional.dropout(weights.to(value.dtype), told.get("dropout", 0.0), module.training)
    made = weights.unflatten(1, (value.shape[1], -1)) @ value[:, :, None]
    return made.flatten(1, 2).transpose(1, 2).contiguous(), None


def _scores(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    rows: int,
    *,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    is_causal: bool | None = None,
    position_bias: Tensor | None = None,
    **others: object,
) -> Float[Tensor, "batch heads rows keys"]:
    """The last ``rows`` rows before their softmax, in float32; keys that are not seen get the least number there is."""
    del others
    length, keys = query.shape[2], key.shape[2]
    groups = query[:, :, -rows:].float().unflatten(1, (key.shape[1], -1))  # batch kv group rows width
    scores = (groups @ key.float()[:, :, None].transpose(-1, -2)).flatten(1, 2)
    scores = scores * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if softcap is not None:
        scores = softcap * (scores / softcap).tanh()
    if position_bias is not None:
        scores = scores + position_bias[:, :, -rows:, :keys]
    least = torch.finfo(scores.dtype).min
    if attention_mask is None:
        causal = hides_later(module) if is_causal is None else is_causal
        if causal and length > 1:
            index = torch.arange(max(length, keys), device=query.device)
            scores = scores.masked_fill(index[:keys] > index[length - rows : length, None], least)
        return scores
    seen = attention_mask[..., -rows:, :keys]
    if seen.dtype == torch.bool:
        return scores.masked_fill(~seen, least)
    return (scores + seen).clamp_min(least)  # two least numbers would add up to minus infinity
