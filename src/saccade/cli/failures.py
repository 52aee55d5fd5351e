"""What goes wrong on the command line: one line on standard error, and an exit status.

Status: 0 done, 1 the answer is no, 2 bad input, 130 stopped by Ctrl-C, 141 the reader of the output has left.
"""

import os
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from saccade.cli.console import ERR
from saccade.core.errors import SaccadeError

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "api": ("openai", "httpx2"),
    "serve": ("fastapi", "starlette", "uvicorn"),
    "media": ("av", "pypdfium2"),
}
"""Modules by the extra that installs them; every other one comes with ``saccade[run]``."""


@contextmanager
def exit_status(program: str) -> Iterator[None]:
    """Turn a SaccadeError into one line that begins with ``program`` and status 2, and stop quietly when asked to."""
    try:
        yield
    except SaccadeError as error:
        ERR.print(f"{program}: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read the output has left, as head does; there is nobody to complain to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


@contextmanager
def missing_packages(command: str, own: Collection[str] = ("saccade",)) -> Iterator[None]:
    """Turn the import of a package that is not installed into a SaccadeError: what ``command`` needs, and the extra.

    A module that is missing from an ``own`` package is a bug, and raised as it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = "" if error.name is None else error.name.split(".")[0]
        if not package or package in own:
            raise
        extra = next((extra for extra, packages in EXTRAS.items() if package in packages), "run")
        raise SaccadeError(f"{command} needs {package}: pip install 'saccade[{extra}]'") from error
