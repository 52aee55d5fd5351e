"""Types of the verbs' arguments.

For a union written with ``|``, or for a tuple of something, tyro brings in typeguard, which takes a tenth of a second:
so unions are ``Optional`` here and tuples are bare.
"""

from pathlib import Path
from typing import Annotated, Optional

from tyro.conf import UseAppendAction, arg

File = Annotated[Optional[Path], arg(metavar="PATH", help_behavior_hint="")]  # noqa: UP045
"""A file or a folder, None where it is left out."""
Text = Annotated[Optional[str], arg(metavar="TEXT", help_behavior_hint="")]  # noqa: UP045
"""Words, None where they are left out."""
Name = Annotated[Optional[str], arg(metavar="NAME", help_behavior_hint="")]  # noqa: UP045
"""One name, None where it is left out."""
Names = Annotated[Optional[str], arg(metavar="NAME,...", help_behavior_hint="")]  # noqa: UP045
"""Names separated by commas, None where they are left out."""
Number = Annotated[Optional[int], arg(metavar="INT", help_behavior_hint="")]  # noqa: UP045
"""A whole number, None where it is left out."""
Device = Annotated[str, arg(metavar="auto|cpu|cuda|mps")]
"""Where models run."""
Dtype = Annotated[str, arg(metavar="auto|float32|bfloat16|float16")]
"""The type of a model's numbers."""
Real = Annotated[Optional[float], arg(metavar="NUMBER", help_behavior_hint="")]  # noqa: UP045
"""A number, None where it is left out."""
Changes = Annotated[UseAppendAction[tuple], arg(metavar="A.B=C")]  # pyright: ignore[reportMissingTypeArgument]
"""``--set A.B=C``, as often as wanted: texts."""
