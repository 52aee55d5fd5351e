"""The architectures whose inside is known when transformers runs them, and what was proved of each."""

from collections.abc import Mapping, Sequence

from saccade.architectures import ARCHITECTURES
from saccade.architectures.architecture import MECHANISMS, HostedKind, Mechanism
from saccade.core.errors import SaccadeError

KINDS: Mapping[str, HostedKind] = {name: one.hosted for name, one in ARCHITECTURES.items() if one.hosted is not None}
"""By ``model_type``. Each is held to its class and its processor by the tests of every mechanism."""
PROVED: Mapping[Mechanism, tuple[str, ...]] = {
    mechanism: tuple(name for name, kind in KINDS.items() if mechanism in kind.proved) for mechanism in MECHANISMS
}
"""The families for which each mechanism that reaches inside was proved by a test."""

PIXELS = ("pixel_values", "pixel_attention_mask", "image_grid_thw")
"""What towers are handed of a picture."""


def proved(mechanism: str, kind: str, families: Sequence[str]) -> None:
    """Raises SaccadeError where a mechanism was not proved for a family."""
    if kind not in families:
        raise SaccadeError(
            f"{mechanism} is not proved for models of type {kind!r}; it is for {', '.join(families)}: take one of "
            "those, or a policy that only asks"
        )
