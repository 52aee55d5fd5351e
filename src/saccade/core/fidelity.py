"""How true a model here is to the published one."""

from typing import Literal

Fidelity = Literal["exact", "faithful", "survey"]
"""exact: outputs (for plans: counts) equal the reference implementation's on the same weights or JSON, tested.
faithful: from the paper or the authors' code, with nothing to test against. survey: the survey's variant, known to
differ from the published system."""
