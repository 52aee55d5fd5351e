"""How long a plan takes: the roofline, as a band.

Law     a stage takes the longer of its arithmetic, FLOPs / (peak × share), and its traffic, bytes / (bandwidth ×
        share). Stages follow each other, so their times add.
Used by ``plan``, for time to first token and tokens per second, and for what fits within a time.
Loses   everything that is neither a matrix product nor the traffic named in ``StageWork``: starting kernels, which is
        most of the time of small models on fast devices and of decoding in eager mode; reading and resizing
        pictures; norms, activations and softmax, as far as the low share does not hold them; communication between
        devices; waiting in a server's queue; the tokenizer; the first run's warming up.
Source  Williams, Waterman and Patterson, Roofline, CACM 52(4), 2009, doi:10.1145/1498765.1498785.

A single number would claim to know which share of its peak a device reaches, which depends on shapes, kernels and
software. So the low end of a time takes the highest share that anybody saw, and the high end a share that ordinary work
reaches. A time below the band would be a surprise; one above it is possible, from what is listed under *Loses*.
"""

from dataclasses import dataclass

from saccade.core.errors import SaccadeError
from saccade.specs.planner.device import Device


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From ``low`` to ``high``, 0 ≤ low ≤ high, in the unit that the holder says (seconds unless said otherwise)."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise SaccadeError(f"a band is 0 ≤ low ≤ high, got {self.low} to {self.high}")

    def __add__(self, other: "TimeRange") -> "TimeRange":
        """One after the other."""
        return TimeRange(self.low + other.low, self.high + other.high)


@dataclass(frozen=True, kw_only=True, slots=True)
class StageWork:
    """What one stage does for a whole batch: arithmetic, weights read once, and other bytes that move.

    ``other_bytes`` is the key-value cache that a generated token reads, or that prefill writes. A mixture of experts
    reads the experts that its tokens are routed to: at most all of them in prefill, and for one token of one request
    those of one token.
    """

    flops: int
    weight_bytes: int
    other_bytes: int = 0

    def __post_init__(self) -> None:
        if min(self.flops, self.weight_bytes, self.other_bytes) < 0:
            raise SaccadeError(
                f"work is 0 or more, got {self.flops} FLOPs, {self.weight_bytes} and {self.other_bytes} bytes"
            )

    @property
    def bytes_moved(self) -> int:
        """All traffic."""
        return self.weight_bytes + self.other_bytes

    def batched(self, requests: int) -> "StageWork":
        """The work of one request done for several at once: weights are still read once."""
        if requests < 1:
            raise SaccadeError(f"a batch holds at least 1 request, got {requests}")
        return StageWork(
            flops=self.flops * requests, weight_bytes=self.weight_bytes, other_bytes=self.other_bytes * requests
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """Seconds for a whole batch, and tokens a second of all its requests together.

    ``encode`` is tower and connector; ``first_token`` is ``encode`` and prefill. ``per_token`` and
    ``tokens_per_second`` are None for what generates nothing.
    """

    encode: TimeRange
    first_token: TimeRange
    per_token: TimeRange | None
    tokens_per_second: TimeRange | None


def time_of(flops: int, bytes_moved: int, device: Device, dtype: str) -> TimeRange:
    """Seconds for work that overlaps its arithmetic with its traffic perfectly, at the two ends of the shares.

    Raises where the device has no arithmetic for ``dtype``.
    """
    peak = device.rate(dtype)
    high, low = (
        max(flops / (peak * share), bytes_moved / (device.bandwidth * traffic))
        for share, traffic in zip(device.efficiency, device.bandwidth_efficiency, strict=True)
    )
    return TimeRange(low, high)


def times(
    *,
    vision: StageWork,
    connector: StageWork,
    language: StageWork,
    token: StageWork,
    device: Device,
    dtype: str,
    batch: int = 1,
) -> Times:
    """Times of one plan, from its stages' work for the whole ``batch``.

    ``token`` is one generated token of every request; all its work zero says that nothing is generated.
    """
    if batch < 1:
        raise SaccadeError(f"a batch holds at least 1 request, got {batch}")
    tower, joined, prefill, next_token = (
        time_of(work.flops, work.bytes_moved, device, dtype) for work in (vision, connector, language, token)
    )
    encode = tower + joined
    generates = next_token.low > 0
    return Times(
        encode=encode,
        first_token=encode + prefill,
        per_token=next_token if generates else None,
        tokens_per_second=TimeRange(batch / next_token.high, batch / next_token.low) if generates else None,
    )
