"""What a look costs: counted, never measured."""

from dataclasses import dataclass

from saccade.core.view import Layout


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
class Plan:
    """One picture and one prompt through one reader.

    ``visual_tokens`` carry picture content; ``slots`` are all positions that the picture adds to the
    language sequence (markers too); ``length`` is the whole sequence. Costs stand per stage:
    ``tower``, ``connector``, ``language`` (prefill of the whole sequence). ``cache_bytes`` is the
    key-value cache of that sequence at 4 bytes a number.
    """

    layout: Layout
    visual_tokens: int
    slots: int
    length: int
    tower: Cost
    connector: Cost
    language: Cost
    cache_bytes: int

    @property
    def flops(self) -> int:
        """All stages up to the first answer token."""
        return self.tower.flops + self.connector.flops + self.language.flops

    @property
    def params(self) -> int:
        """Weights of all stages."""
        return self.tower.params + self.connector.params + self.language.params
