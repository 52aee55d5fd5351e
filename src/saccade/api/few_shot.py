"""The few-shot study as a function: what the command line and a notebook call."""

from collections.abc import Sequence
from pathlib import Path

from research.few_shot.study import SHOTS, Shots
from research.few_shot.study import few_shot as run_few_shot
from research.few_shot.table import drawing
from research.few_shot.table import shots_table as shots_table
from saccade.api.comparing import results_folder
from saccade.backends.composed.backend import Composed
from saccade.backends.embedded.manifest import cards
from saccade.backends.open import open_model
from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import function, listed, whole
from saccade.core.interface.arguments import seed as seed_of
from saccade.core.interface.defaults import PICTURES
from saccade.core.interface.progress import Progress
from saccade.core.records.files import write_whole

SHOWN_EXAMPLES = ("flamingo", "flamingo-single")
"""Readers of the study: one that was trained on prompts with examples, and its twin that was not."""


def few_shot(
    models: Sequence[object] = SHOWN_EXAMPLES,
    *,
    counts: Sequence[int] = SHOTS,
    out: str | Path | None = None,
    pictures: int = PICTURES,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Shots, tuple[Path, ...]]:
    """Accuracy with ``counts`` examples in the prompt, questions spelt out and not; see ``research/few_shot/study.py``.

    ``models`` as in ``compare``, of those that are composed here. ``out`` receives ``shots.json`` and ``shots.svg``.
    """
    folder = results_folder(out)
    whole("pictures", pictures, 1)
    seed_of("seed", seed)
    if progress is not None:
        function("progress", progress)
    shots = [whole("a number of examples", count, 0) for count in listed("counts", counts)]
    readers = {}
    for source in listed("models", models):
        opened = open_model(source)
        if not isinstance(opened, Composed):
            raise SaccadeError(
                f"examples in the prompt are shown to models that are composed here, {opened.name} is not; "
                f"name some of: {', '.join(cards())}"
            )
        readers[source if isinstance(source, str) else opened.name] = opened.reader
    found = run_few_shot(readers, counts=shots, pictures=pictures, seed=seed, progress=progress)
    if folder is None:
        return found, ()
    folder.mkdir(parents=True, exist_ok=True)
    found.save(folder / "shots.json")
    write_whole(folder / "shots.svg", drawing(found))
    return found, (folder / "shots.json", folder / "shots.svg")
