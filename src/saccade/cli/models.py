"""``saccade models``: the catalogue."""

import json as text_json
import sys

from saccade.cli.arguments import File, Kind, Place, Words
from saccade.cli.console import ERR, OUT, refuse
from saccade.cli.help import Help
from saccade.core.errors import SaccadeError

HELP = Help(
    usage="[OPTIONS]",
    groups={"which models": ("search", "kind"), "output": ("json",), "pages instead": ("pages", "results")},
    examples={
        "Published models whose tokens can be selected": ('saccade models --kind published --search "token selection"'),
        "A page on every reader": "saccade models --pages docs/readers --results docs/results.json",
    },
)


def models(search: Words = "", kind: Kind = "", json: bool = False, pages: Place = None, results: File = None) -> None:
    """The catalogue: every model and reader, its stages, fidelity and source, and how far each goes here.

    Args:
        search: Words that a line has to hold, such as "qwen" or "token selection".
        kind: One kind alone.
        json: Print it as JSON.
        pages: Write a page on every reader into this folder instead.
        results: The results.json of a comparison, whose points the pages show.
    """
    from saccade.api import catalogue

    if pages is not None:
        if results is None:
            raise SaccadeError("pages show what was measured; add --results, the results.json of saccade compare")
        refuse("has no effect on pages, which are on every reader; leave it out", search=search, kind=kind, json=json)
        for path in catalogue.write_pages(pages, results):
            OUT.print(path, highlight=False, soft_wrap=True)
        return
    refuse("is for pages; name their folder with --pages", results=results)
    lines = catalogue.known(search, kind)
    if json:
        OUT.out(text_json.dumps(catalogue.record(lines), indent=1, ensure_ascii=False), highlight=False)
    elif lines:
        for table in catalogue.tables(lines):
            OUT.print(table, highlight=False)
        for line in catalogue.LEGEND:
            OUT.print(line, style="dim", highlight=False)
    if not lines:
        ERR.print(f"saccade: no model holds {search!r}; saccade models lists all", markup=False, highlight=False)
        sys.exit(1)
