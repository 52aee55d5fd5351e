"""What ``saccade VERB --help`` prints: arguments in groups, and examples.

Names, defaults and explanations are those of the verb's function: its signature and its docstring.
"""

import inspect
import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

NARROWEST, WIDEST = 40, 100
"""Columns of a help text."""
LABELS = 22
"""Columns of an option with its argument; a longer one has a line of its own."""
UNSAID = (None, "", (), False, inspect.Parameter.empty)
"""Defaults that need no words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Help:
    """How a verb's arguments are laid out.

    ``usage`` is what follows the verb; ``arguments`` are the parameters without a flag; ``groups`` gives the others by
    heading; ``examples`` gives what a command is for and the command, or several.
    """

    usage: str
    arguments: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]]
    examples: Mapping[str, str | tuple[str, ...]]

    @property
    def commands(self) -> tuple[str, ...]:
        """All commands of the examples."""
        shown = self.examples.values()
        return tuple(line for one in shown for line in ((one,) if isinstance(one, str) else one))


def help_of(verb: str, run: Callable[..., None], layout: Help, width: int | None = None) -> str:
    """The help text of the verb ``run``, ``width`` columns wide: the terminal's unless given."""
    columns = min(max(shutil.get_terminal_size().columns if width is None else width, NARROWEST), WIDEST)
    about, explained = _docstring(run)
    parameters = inspect.signature(run).parameters
    lines = [f"usage: saccade {verb} {layout.usage}", ""]
    for paragraph in about:
        lines += [*textwrap.wrap(paragraph, columns), ""]
    groups = {**({"arguments": layout.arguments} if layout.arguments else {}), **layout.groups}
    for heading, names in groups.items():
        lines.append(f"{heading}:")
        for name in names:
            label = _label(parameters[name], flag=name not in layout.arguments)
            lines += _entry(label, explained[name] + _default(parameters[name]), columns)
        lines.append("")
    lines.append("examples:")
    for purpose, commands in layout.examples.items():
        lines += textwrap.wrap(purpose + ":", columns, initial_indent="  ", subsequent_indent="  ")
        lines += [f"    {line}" for line in ((commands,) if isinstance(commands, str) else commands)]
    return "\n".join(lines)


def _docstring(run: Callable[..., None]) -> tuple[list[str], dict[str, str]]:
    """The paragraphs of a docstring, and what it says of each argument."""
    above, _, below = (inspect.getdoc(run) or "").partition("\nArgs:\n")
    explained: dict[str, str] = {}
    name = ""
    for line in textwrap.dedent(below).splitlines():
        if line.startswith(" "):
            explained[name] += " " + line.strip()
        elif line:
            name, _, said = line.partition(":")
            explained[name] = said.strip()
    return [" ".join(paragraph.split()) for paragraph in above.strip().split("\n\n")], explained


def _label(parameter: inspect.Parameter, *, flag: bool) -> str:
    """``--out FOLDER``, or ``IMAGE`` of an argument without a ``flag``."""
    value = "" if parameter.annotation is bool else _metavar(parameter)
    return f"--{parameter.name.replace('_', '-')} {value}".strip() if flag else value


def _metavar(parameter: inspect.Parameter) -> str:
    """What stands for the value: the annotation says it (``arg(metavar=…)`` of tyro)."""
    said = [getattr(one, "metavar", None) for one in getattr(parameter.annotation, "__metadata__", ())]
    return next((one for one in said if one), parameter.name.upper())


def _default(parameter: inspect.Parameter) -> str:
    return "" if parameter.default in UNSAID else f" (default: {parameter.default})"


def _entry(label: str, said: str, columns: int) -> Iterator[str]:
    """An argument with its explanation beside it, or below it where the label is long or the terminal narrow."""
    margin = 2 + LABELS if columns >= 2 * LABELS + NARROWEST // 2 else 6
    indent = " " * margin
    text = textwrap.wrap(said, columns, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    if len(label) + 4 > margin:
        yield f"  {label}"
        yield from text
        return
    yield f"  {label}".ljust(margin) + text[0][margin:]
    yield from text[1:]
