"""Everything that saccade knows by name: published models that it plans, and readers that it runs."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich import box
from rich.table import Table

from saccade.core.errors import SaccadeError
from saccade.models import READERS
from saccade.models.cards import cards
from saccade.specs.catalogue import PRESETS, system

LEGEND = (
    "exact: counts (for readers: outputs) equal the reference implementation's, tested; faithful: from the paper or "
    "the authors' code, with nothing to test against; survey: the survey's variant, known to differ",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """One line of the catalogue. ``runs`` says how far it goes here."""

    name: str
    kind: str
    stages: str
    fidelity: str
    source: str
    runs: str


def known() -> list[Known]:
    """Published models first, then what the package can build, then what it ships trained."""
    torch = find_spec("torch") is not None
    can = "runs here" if torch else "runs with saccade[run]"
    lines = [_published(name, can) for name in PRESETS]
    for name, entry in READERS.items():
        sizes = ", ".join(entry.presets)
        lines.append(
            Known(
                name=name,
                kind="reader",
                stages=entry.summary,
                fidelity=entry.fidelity,
                source=f"build(preset): {sizes}",
                runs=f"{can}, random weights or your checkpoint",
            )
        )
    for name, card in cards().items():
        lines.append(
            Known(
                name=name,
                kind="embedded",
                stages=card.trained,
                fidelity=card.fidelity,
                source="trained here",
                runs=can,
            )
        )
    return lines


def _published(name: str, can: str) -> Known:
    one = system(name)
    runnable = one.config.get("model_type") == "llava"
    return Known(
        name=name,
        kind=one.family.kind,
        stages=one.family.stages,
        fidelity=one.family.fidelity,
        source=one.family.source,
        runs=f"plan; {can} from its folder" if runnable else "plan",
    )


def tables() -> list[Table]:
    """The catalogue for the terminal."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("name", "kind"):
        made.add_column(name, no_wrap=True)
    made.add_column("stages", overflow="fold")
    made.add_column("fidelity", no_wrap=True)
    made.add_column("source", overflow="fold")
    made.add_column("here", overflow="fold")
    for line in known():
        made.add_row(line.name, line.kind, line.stages, line.fidelity, line.source, line.runs)
    return [made]


def record() -> dict[str, object]:
    """The catalogue as data."""
    fields = ("name", "kind", "stages", "fidelity", "source", "runs")
    return {
        "schema": "saccade.models/1",
        "models": [{field: getattr(line, field) for field in fields} for line in known()],
    }


def write_pages(folder: Path, results: Path) -> list[Path]:
    """Write a page on every reader into ``folder``, with the points that ``results`` holds; what was written."""
    from saccade.evaluation.results import Results
    from saccade.study import pages

    if not results.is_file():
        raise SaccadeError(f"{results}: there is no such file; saccade compare --out writes a results.json")
    return pages.write(folder, Results.from_json(results.read_text(encoding="utf-8")))
