"""Types of the verbs' arguments.

For a union written with ``|``, or for a tuple of something, tyro brings in typeguard, which takes a tenth of a second:
so unions are ``Optional`` here and tuples are bare.
"""

from pathlib import Path
from typing import Annotated, Optional

from tyro.conf import Positional, UseAppendAction, arg

Png = Annotated[Optional[Path], arg(metavar="PNG", help_behavior_hint="")]  # noqa: UP045
"""An image to write, None where it is left out."""
Place = Annotated[Optional[Path], arg(metavar="FOLDER", help_behavior_hint="")]  # noqa: UP045
"""A folder to write into, None where it is left out."""
Folder = Annotated[Path, arg(metavar="FOLDER")]
"""A folder to write into."""
Word = Annotated[str, arg(metavar="NAME")]
"""One name."""
Words = Annotated[str, arg(metavar="TEXT")]
"""Words, empty where they are left out."""
Numbers = Annotated[Optional[str], arg(metavar="N,...", help_behavior_hint="")]  # noqa: UP045
"""Whole numbers separated by commas, None where they are left out."""
File = Annotated[Optional[Path], arg(metavar="PATH", help_behavior_hint="")]  # noqa: UP045
"""A file or a folder, None where it is left out."""
Name = Annotated[Optional[str], arg(metavar="NAME", help_behavior_hint="")]  # noqa: UP045
"""One name, None where it is left out."""
Names = Annotated[Optional[str], arg(metavar="NAME,...", help_behavior_hint="")]  # noqa: UP045
"""Names separated by commas, None where they are left out."""
Whole = Annotated[int, arg(metavar="N")]
"""A whole number."""
Number = Annotated[Optional[int], arg(metavar="N", help_behavior_hint="")]  # noqa: UP045
"""A whole number, None where it is left out."""
Kind = Annotated[str, arg(metavar="published|reader|embedded|plug-in")]
"""A kind of model, empty for any."""
Device = Annotated[str, arg(metavar="auto|cpu|cuda|mps")]
"""Where models run."""
Dtype = Annotated[str, arg(metavar="auto|float32|bfloat16|float16")]
"""The type of a model's numbers."""
Real = Annotated[Optional[float], arg(metavar="NUMBER", help_behavior_hint="")]  # noqa: UP045
"""A number, None where it is left out."""
Changes = Annotated[UseAppendAction[tuple], arg(metavar="A.B=C")]  # pyright: ignore[reportMissingTypeArgument]
"""``--set A.B=C``, as often as wanted: texts."""
Image = Annotated[Positional[Path], arg(metavar="IMAGE")]
"""The image, without a flag."""
Question = Annotated[Positional[str], arg(metavar="QUESTION")]
"""The question, without a flag."""
Model = Annotated[Positional[Optional[str]], arg(metavar="MODEL", help_behavior_hint="")]  # noqa: UP045
"""The model, without a flag; None where it is left out."""
Recipe = Annotated[Positional[Optional[str]], arg(metavar="RECIPE", help_behavior_hint="")]  # noqa: UP045
"""The recipe, without a flag; None where it is left out."""
Shell = Annotated[Positional[str], arg(metavar="SHELL")]
"""A shell's name, without a flag."""
