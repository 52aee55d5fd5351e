"""Processors of ``transformers``: what saccade needs of them beyond calling them, one function for each name.

The base class says nothing of what processors take, so here they are of any type. See ``compat.hf``.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoImageProcessor

from saccade.compat.hf import have


def image_options(processor: Any) -> dict[str, Any]:  # noqa: ANN401
    """What ``processor`` tells its image processor at each call; what it leaves to the image processor is left out.

    The class of the options is handed over, because it became optional with 5.23.
    """
    merged = have(processor, "ProcessorMixin._merge_kwargs")
    found = merged(processor.valid_processor_kwargs, tokenizer_init_kwargs=processor.tokenizer.init_kwargs)
    return {name: value for name, value in found["images_kwargs"].items() if value is not None}


def image_text(processor: Any, features: Mapping[str, Any], number: int = 0) -> str:  # noqa: ANN401
    """What ``processor`` writes for image ``number`` of ``features``, the output of its image processor."""
    return str(have(processor, "ProcessorMixin.replace_image_token")(features, number))


def part_names(processor: Any) -> list[str]:  # noqa: ANN401
    """The names of the parts that ``processor``'s class has: "image_processor", "tokenizer", …"""
    return list(have(processor, "ProcessorMixin.get_attributes")())


def image_processor_of(folder: Path) -> Any:  # noqa: ANN401
    """The image processor in ``folder``, which prepares pixels with Pillow, whatever else is installed."""
    return AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil")


def processor_from_parts(class_name: str, folder: Path, parts: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """The processor of this class with these ``parts`` by name and the settings in ``folder``.

    Parts that are not given are None: the one that reads videos would need torchvision. The class itself insists on
    it, so the processor's class is one of the same name that does not check its parts.
    """
    made_for = getattr(transformers, class_name)
    have(made_for, "ProcessorMixin.check_argument_for_proper_class")
    lean = type(class_name, (made_for,), {"check_argument_for_proper_class": lambda *_: None})
    settings, _ = lean.get_processor_dict(folder, local_files_only=True)
    make = have(lean, "ProcessorMixin.from_args_and_dict")
    return make([parts.get(name) for name in part_names(lean)], settings)


def save_processor(processor: Any, folder: Path) -> None:  # noqa: ANN401
    """Write ``processor`` as its class does, without the parts that it was made without: the class saves every part
    that it may have.
    """
    held: Sequence[str] = [name for name in part_names(processor) if getattr(processor, name, None) is not None]
    saved, of = copy(processor), type(processor)
    saved.__class__ = type(of.__name__, (of,), {"get_attributes": classmethod(lambda _: held)})
    saved.save_pretrained(folder)
