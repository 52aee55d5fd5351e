"""Where a model runs and in which type of numbers, as a user names them; reading this needs no torch."""

from dataclasses import dataclass

from saccade.core.errors import SaccadeError, unknown
from saccade.core.plan import NUMBER_BYTES

AUTO = "auto"
DEVICES = (AUTO, "cpu", "cuda", "mps")
"""Names of devices; ``cuda:1`` is the second one of its kind."""
DTYPES = (AUTO, *NUMBER_BYTES)
"""Names of types of numbers."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A ``device`` (auto, cpu, cuda, cuda:1, mps) and a ``dtype`` (auto, float32, bfloat16, float16).

    ``auto`` is the first of cuda, mps and cpu that there is, and the type that the checkpoint was saved in. Raises
    SaccadeError for other names; whether the machine has the device is checked where it is used.
    """

    device: str = AUTO
    dtype: str = AUTO

    def __post_init__(self) -> None:
        for what, given, known in (("device", self.device, DEVICES), ("dtype", self.dtype, DTYPES)):
            if not isinstance(given, str):
                raise SaccadeError(f"{what} is a name ({', '.join(known)}), got {given!r}")
        kind, colon, number = self.device.partition(":")
        if kind not in DEVICES or (colon and (kind != "cuda" or not number.isdecimal())):
            raise unknown("device", self.device, (*DEVICES, "cuda:1"))
        if self.dtype not in DTYPES:
            raise unknown("dtype", self.dtype, DTYPES)
