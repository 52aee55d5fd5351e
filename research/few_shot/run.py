"""The few-shot study: ask, score, store. See ``research/few_shot/study.py``."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from research.few_shot.study import SHOTS, few_shot
from research.few_shot.table import drawing, shots_table
from research.trained import Measured, print_files
from saccade.api.comparing import results_folder
from saccade.backends.composed.backend import ComposedBackend
from saccade.backends.embedded.manifest import cards
from saccade.backends.open import open_model
from saccade.cli.console import OUT, Reporter, bar, numbers, split
from saccade.core.errors import SaccadeError
from saccade.core.interface.arguments import seed as checked_seed
from saccade.core.interface.arguments import whole
from saccade.core.interface.defaults import PICTURES
from saccade.core.interface.progress import Progress
from saccade.core.records.files import write_whole
from saccade.runtime.reader import Reader

MODELS = ("flamingo", "flamingo-single")
"""A reader that was trained on prompts with examples, and its twin that was not."""


def run(
    out: str | Path,
    *,
    models: Sequence[object] = MODELS,
    counts: Sequence[int] = SHOTS,
    pictures: int = PICTURES,
    seed: int = 0,
    progress: Progress | None = None,
) -> Measured:
    """Accuracy with ``counts`` examples in the prompt, stored in ``out`` as ``shots.json`` and ``shots.svg``.

    ``models`` as in ``saccade.compare``, of those that are composed here; ``seed`` chooses the examples. Raises
    SaccadeError for other models and for counts, pictures and seeds that cannot be.
    """
    folder = results_folder(out)
    assert folder is not None
    whole("pictures", pictures, 1)
    checked_seed("seed", seed)
    found = few_shot(_readers(models), counts=counts, pictures=pictures, seed=seed, progress=progress)
    stored, curve = folder / "shots.json", folder / "shots.svg"
    folder.mkdir(parents=True, exist_ok=True)
    found.save(stored)
    write_whole(curve, drawing(found))
    return Measured(shots_table(found), (stored, curve))


def _readers(models: Sequence[object]) -> Mapping[str, Reader]:
    readers = {}
    for source in dict.fromkeys(models):
        opened = open_model(source)
        if not isinstance(opened, ComposedBackend):
            raise SaccadeError(
                f"examples in the prompt are shown to models that are composed here, {opened.name} is not; "
                f"name some of: {', '.join(cards())}"
            )
        readers[source if isinstance(source, str) else opened.name] = opened.reader
    return readers


def command(
    out: Path,
    counts: str = ",".join(map(str, SHOTS)),
    models: str = ",".join(MODELS),
    pictures: int = PICTURES,
    seed: int = 0,
) -> None:
    """Measure accuracy with examples in the prompt, questions spelt out and left out.

    Args:
        out: Folder for shots.json and shots.svg.
        counts: Numbers of examples in the prompt, separated by commas.
        models: Models separated by commas: embedded readers by name, or checkpoint folders.
        pictures: How many pictures of the generated benchmark.
        seed: Seed of the choice of examples.
    """
    with bar() as shown:
        found = run(
            out,
            models=split(models),
            counts=numbers(counts, "--counts"),
            pictures=pictures,
            seed=seed,
            progress=Reporter(shown),
        )
    OUT.print(found.table)
    print_files(found.files)
