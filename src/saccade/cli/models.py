"""``saccade models``: the catalogue."""

import json as text_json

from saccade.cli.arguments import File
from saccade.cli.console import OUT
from saccade.core.errors import SaccadeError


def models(json: bool = False, pages: File = None, results: File = None) -> None:
    """The catalogue: every model and reader, its stages, fidelity and source, and what is runnable here.

    Args:
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
    if json:
        OUT.out(text_json.dumps(catalogue.record(), indent=1, ensure_ascii=False), highlight=False)
        return
    for table in catalogue.tables():
        OUT.print(table, highlight=False)
    for line in catalogue.LEGEND:
        OUT.print(line, style="dim", highlight=False)
