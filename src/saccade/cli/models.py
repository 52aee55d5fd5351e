"""``saccade models``: the catalogue."""

import json as text_json

from saccade.api import catalogue
from saccade.cli.console import OUT


def models(json: bool = False) -> None:
    """The catalogue: every model and reader, its stages, fidelity and source, and what is runnable here.

    Args:
        json: Print it as JSON.
    """
    if json:
        OUT.out(text_json.dumps(catalogue.record(), indent=1, ensure_ascii=False), highlight=False)
        return
    for table in catalogue.tables():
        OUT.print(table, highlight=False)
    for line in catalogue.LEGEND:
        OUT.print(line, style="dim", highlight=False)
