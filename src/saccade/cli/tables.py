"""What a comparison found, printed: tables, then the files."""

from typing import TYPE_CHECKING

from saccade.cli.console import OUT

if TYPE_CHECKING:
    import saccade.api.comparing


def print_comparison(found: "saccade.api.comparing.Compared") -> None:
    """Print the tables of ``found``, what could not be asked, and the files that were written."""
    from saccade.api import tables

    OUT.print(tables.table(found.results))
    glyphs = tables.print_table(found.results)
    if glyphs is not None:
        OUT.print(glyphs)
    if found.policies is not None:
        OUT.print(tables.policies_table(found.policies))
        for cascade in found.policies.cascades:
            OUT.print(tables.cascade_table(cascade))
    for sentence in tables.sentences(found.results):
        OUT.print(sentence, style="bold", highlight=False, markup=False)
    for fault in found.faults:
        OUT.print(fault, style="yellow", highlight=False, markup=False)
    OUT.print(f"compared in {found.results.seconds:.0f} s", highlight=False)
    for path in found.files:
        OUT.print(f"wrote {path}", highlight=False, soft_wrap=True)
