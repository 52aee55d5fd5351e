"""Training loops, stages and recipes. Called, it is the public function ``saccade.train``, whose name it shares."""

import sys
from importlib import import_module
from types import ModuleType


class _Callable(ModuleType):
    """A package that can be called: importing anything of it would hide the function of the same name otherwise."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        """See ``saccade.api.training.train``."""
        return import_module("saccade.api.training").train(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
