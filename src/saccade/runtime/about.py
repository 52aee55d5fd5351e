"""What is known of a reader beside its parts: its fidelity, what it was trained for, and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, cast, get_args

from saccade.core.caps import Cap
from saccade.core.errors import SaccadeError, unknown
from saccade.core.fidelity import Fidelity

TUNED = (Cap.MULTI_IMAGE, Cap.INSTRUCT)
"""What depends on training, and not on parts."""


NONE = Cap(0)


@dataclass(frozen=True, slots=True)
class About:
    """``fidelity`` as in the catalogue; ``tuned``: the capabilities of ``TUNED`` that it was trained for;
    ``provenance``: one sentence on where it comes from.
    """

    fidelity: Fidelity = "survey"
    tuned: Cap = NONE
    provenance: str = "a reader of one's own"

    def record(self) -> dict[str, Any]:
        """As JSON-safe data."""
        tuned = [str(cap.name) for cap in TUNED if cap in self.tuned]
        return {"fidelity": self.fidelity, "tuned": tuned, "provenance": self.provenance}

    @staticmethod
    def read(data: object) -> "About":
        """The inverse of ``record``. Raises SaccadeError for anything else."""
        if not isinstance(data, Mapping) or set(data) != {"fidelity", "tuned", "provenance"}:
            raise SaccadeError(f"about holds fidelity, tuned and provenance, got {data!r}; save the reader again")
        told = cast(Mapping[str, Any], data)
        if told["fidelity"] not in get_args(Fidelity):
            raise unknown("fidelity", str(told["fidelity"]), get_args(Fidelity))
        named = {str(cap.name): cap for cap in TUNED}
        for name in told["tuned"]:
            if name not in named:
                raise unknown("capability in about.tuned", str(name), named)
        return About(
            told["fidelity"], reduce(or_, (named[name] for name in told["tuned"]), Cap(0)), str(told["provenance"])
        )
