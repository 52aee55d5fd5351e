"""Functions that run between the layers of a language model that nobody edits.

They are hooks for the length of one call, and of the calling thread: nothing stays on the layers, and a model that
two readers share reads for each of them what is its own.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from torch import Tensor, nn

from saccade.core.errors import SaccadeError

Insert = Mapping[int, Callable[[Tensor], Tensor]]
"""What is done to the hidden states that enter a layer, by the layer's number from 0."""


def layers_of(model: nn.Module, depth: int) -> nn.ModuleList:
    """The ``depth`` decoder layers of any ``transformers`` language model. Raises SaccadeError where they are not one
    list.
    """
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == depth
    ]
    # Lists inside a layer (experts, for one) may be as long; the layers stand above them.
    outer = [(name, module) for name, module in found if not any(name.startswith(f"{other}.") for other, _ in found)]
    if len(outer) != 1:
        raise SaccadeError(
            f"{type(model).__name__} has {len(outer)} lists of {depth} modules, one was expected: nothing can be put "
            "before its layers; take another language model"
        )
    return outer[0][1]


@contextmanager
def inserted(layers: nn.ModuleList, before: Insert) -> Iterator[None]:
    """While this lasts, what enters layer ``number`` in this thread goes through ``before[number]`` first."""
    caller = get_ident()

    def hook(function: Callable[[Tensor], Tensor]) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]] | None]:
        def run(
            module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
            del module
            if get_ident() != caller:
                return None
            if args:
                return (function(args[0]), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": function(kwargs["hidden_states"])}

        return run

    handles = []
    try:
        for number, function in before.items():
            handles.append(layers[number].register_forward_pre_hook(hook(function), with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
