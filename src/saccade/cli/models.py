"""``saccade models``: the catalogue."""

import json as text_json
import sys

from saccade.cli.arguments import File
from saccade.cli.console import ERR, OUT
from saccade.core.errors import SaccadeError


def models(search: str = "", kind: str = "", json: bool = False, pages: File = None, results: File = None) -> None:
    """The catalogue: every model and reader, its stages, fidelity and source, and how far each goes here.

    Args:
        search: Words that a line has to hold, such as "qwen" or "token selection".
        kind: One kind alone: published, reader, embedded or plug-in.
        json: Print it as JSON.
        pages: Write a page on every reader into this folder instead.
        results: The results.json of a comparison, whose points the pages show.
    """
    from saccade.api import catalogue

    if pages is not None:
        if results is None:
            raise SaccadeError("pages show what was measured; add --results, the results.json of saccade compare")
        for path in catalogue.write_pages(pages, results):
            OUT.print(path, highlight=False, soft_wrap=True)
        return
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
