"""What a look costs: counted, never measured."""

from dataclasses import dataclass, field

from saccade.core.errors import SaccadeError
from saccade.core.interface.field_types import check_fields
from saccade.core.view import Layout, View

NUMBER_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of one number, by the name of its type."""


@dataclass(frozen=True, slots=True)
class Cost:
    """``flops``: 2 × multiply-adds of matmul, convolution and attention, full square; ``params``: weights.

    Norms, activations, softmax, resampling and memory moves count nothing.
    """

    flops: int = 0
    params: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.flops + other.flops, self.params + other.params)

    def times(self, runs: int) -> "Cost":
        """The same weights run ``runs`` times."""
        return Cost(self.flops * runs, self.params)


@dataclass(frozen=True, slots=True)
class Setting:
    """How a model is run: ``batch`` requests at once, numbers of type ``dtype``, and how attention is computed.

    ``eager`` attention holds every score; ``sdpa`` (flash and its kin) never does.
    """

    batch: int = 1
    dtype: str = "bfloat16"
    attention: str = "sdpa"

    def __post_init__(self) -> None:
        check_fields(self)
        if self.batch < 1:
            raise SaccadeError(f"a batch holds at least 1 request, got {self.batch}")
        if self.dtype not in NUMBER_BYTES:
            raise SaccadeError(f"unknown dtype {self.dtype!r}; take one of: {', '.join(NUMBER_BYTES)}")
        if self.attention not in ("sdpa", "eager"):
            raise SaccadeError(
                f"unknown attention {self.attention!r}; take sdpa (no score matrix) or eager (all of it)"
            )

    @property
    def number(self) -> int:
        """Bytes of one number."""
        return NUMBER_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Peak:
    """Bytes of tensors that are alive at the worst moment of each stage, weights and caches apart.

    Each stage counts what it takes in, makes and puts out, for all views or requests in one batch, as transformers runs
    it. Not counted: what a caller keeps from the stage before (pixels and patches during prefill, in ``generate``),
    kernels' workspaces, the slack of an allocator, and the runtime itself.
    """

    vision: int = 0
    connector: int = 0
    language: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One request (its pictures or video, and ``length`` positions in all) through one model.

    Token counts are per request. ``patches`` leave the tower; ``visual_tokens`` carry picture content after the
    connector; ``slots`` are all positions that the pictures add to the sequence (markers too); ``cross_keys`` are what
    cross-attention layers read instead. Costs, caches and peaks are for the whole batch of ``setting``, by stage:
    ``vision``, ``connector``, ``language`` (prefill, the vocabulary scored at the last position only) and ``token``
    (one more token after it, which reads all weights but ``idle_params``). ``causal_flops`` is prefill without the
    masked half of attention. ``kv_bytes`` is the key-value cache at ``length``.
    """

    model: str = ""
    layouts: tuple[Layout, ...]
    patches: int
    visual_tokens: int
    slots: int
    length: int
    cross_keys: int = 0
    vision: Cost
    connector: Cost
    language: Cost
    token: Cost
    causal_flops: int = 0
    idle_params: int = 0
    kv_bytes: int
    peak: Peak
    setting: Setting = field(default_factory=Setting)
    why: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def layout(self) -> Layout:
        """The first picture's (a video's: one step's) layout."""
        return self.layouts[0]

    @property
    def views(self) -> tuple[View, ...]:
        """Every view in reading order; a layout that several frames share is listed once."""
        return tuple(view for layout in self.layouts for view in layout.views)

    @property
    def flops(self) -> int:
        """All stages up to the first answer token."""
        return self.vision.flops + self.connector.flops + self.language.flops

    @property
    def params(self) -> int:
        """Weights of all stages."""
        return self.vision.params + self.connector.params + self.language.params

    @property
    def param_bytes(self) -> int:
        """Weights in memory."""
        return self.params * self.setting.number

    @property
    def activation_bytes(self) -> int:
        """The worst moment of all stages, weights and caches apart."""
        return max(self.peak.vision, self.peak.connector, self.peak.language)

    @property
    def memory_bytes(self) -> int:
        """The worst moment in all: weights, and the larger of the encoder's peak and prefill's with its cache."""
        return self.memory_with(self.kv_bytes)

    def memory_with(self, cache: int) -> int:
        """The worst moment with a cache of ``cache`` bytes instead: for a longer context than the prompt fills."""
        return self.param_bytes + max(self.peak.vision, self.peak.connector, self.peak.language + cache)
