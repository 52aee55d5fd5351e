"""Everything that saccade knows by name: published models, readers that can be built, embedded ones, plug-ins.

How far each goes here is computed from what ``open_model`` opens: the loaders of compositions, and the families whose
mechanisms are proved. Reading the catalogue needs no torch.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from rich import box
from rich.table import Table

from saccade.architectures import ARCHITECTURES, COMPOSITIONS, FAMILIES, PRESETS
from saccade.architectures.catalogue import system
from saccade.backends.embedded.manifest import cards, installed
from saccade.core.errors import SaccadeError, unknown
from saccade.core.interface.arguments import instance
from saccade.core.registry.plugins import plugins

SCHEMA = "saccade.models/2"
LEGEND = (
    "exact: counts (for readers: outputs) equal the reference implementation's, tested; faithful: from the paper or "
    "the authors' code, with nothing to test against; survey: the survey's variant, known to differ",
)
CATEGORIES = ("published", "reader", "embedded", "plug-in")
"""Models that are planned, readers that are built from parts, trained ones that are shipped, and other packages'."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """One line of the catalogue.

    ``kind`` is one of ``CATEGORIES``; ``form`` is what the model is, such as a reader or a matcher. ``opens`` says how
    far it goes here: ``plan``, ``answers``, ``hosted`` or ``composes``; ``mechanisms`` what reaches inside a hosted
    one; ``runs`` says both in words.
    """

    name: str
    kind: str
    form: str
    stages: str
    fidelity: str
    source: str
    opens: str
    mechanisms: tuple[str, ...] = ()
    runs: str


def known(search: str = "", kind: str = "") -> list[Known]:
    """Published models first, then what the package can build, what it ships trained, and what others bring.

    ``search`` keeps lines that hold all of its words, in any case; ``kind`` those of one of ``CATEGORIES``. Raises
    SaccadeError for other kinds.
    """
    for name, value in (("search", search), ("kind", kind)):
        instance(name, value, str, "text")
    if kind and kind not in CATEGORIES:
        raise unknown("kind of model", kind, CATEGORIES)
    lines = [*map(_published, PRESETS), *_readers(), *_embedded(), *_plugins()]
    words = search.lower().split()
    return [one for one in lines if kind in ("", one.kind) and all(word in _text(one) for word in words)]


def _text(line: Known) -> str:
    return " ".join((line.name, line.form, line.stages, line.fidelity, line.source, line.runs)).lower()


def _here(words: str) -> str:
    """``words``, and what has to be installed for them."""
    return words if find_spec("torch") is not None else f"{words}, with saccade[run]"


def _published(name: str) -> Known:
    one = system(name)
    family = next(key for key, value in FAMILIES.items() if value is one.family)
    opens, mechanisms, words = opened(family)
    return Known(
        name=name,
        kind="published",
        form=one.family.kind,
        stages=one.family.stages,
        fidelity=one.family.fidelity,
        source=one.family.source,
        opens=opens,
        mechanisms=mechanisms,
        runs=words,
    )


def opened(family: str) -> tuple[str, tuple[str, ...], str]:
    """How far checkpoints of a family of the planner go: in a word, the mechanisms of a hosted one, and in words."""
    one = ARCHITECTURES[family]
    types = [kind for loader in one.loaders for kind in loader.types]
    types += [f"{loader.pieces} in saccade.json" for loader in one.loaders if loader.pieces]
    if types:
        return "composes", (), f"plan; {_here('composes')} ({', '.join(types)})"
    if one.hosted is not None:
        return "hosted", one.hosted.proved, f"plan; {_here('hosted')}: answers, {', '.join(one.hosted.proved)}"
    if one.answers:
        return "answers", (), f"plan; {_here('hosted')}: answers only"
    return "plan", (), "plan"


def _readers() -> list[Known]:
    return [
        Known(
            name=name,
            kind="reader",
            form="reader",
            stages=entry.summary,
            fidelity=entry.fidelity,
            source=f"build(preset): {', '.join(entry.presets)}",
            opens="composes",
            runs=f"{_here('composes')}: random weights or your checkpoint",
        )
        for name, entry in COMPOSITIONS.items()
    ]


def _embedded() -> list[Known]:
    return [
        Known(
            name=name,
            kind="embedded",
            form="reader",
            stages=card.trained,
            fidelity=card.fidelity,
            source="trained here",
            opens="composes",
            runs=_here("runs"),
        )
        for name, card in (cards() if installed() else {}).items()
    ]


def _plugins() -> list[Known]:
    """Models and backends of installed packages; none is imported."""
    return [
        Known(
            name=name,
            kind="plug-in",
            form=group.removeprefix("saccade.").removesuffix("s"),
            stages=f"{found.value} of {found.package} {found.version}",
            fidelity="its package's",
            source=found.package,
            opens="composes" if group == "saccade.models" else "answers",
            runs="what its package brings",
        )
        for group in ("saccade.models", "saccade.backends")
        for name, found in plugins(group).items()
    ]


def tables(lines: list[Known] | None = None) -> list[Table]:
    """The catalogue, or some ``lines`` of it, for the terminal."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("name", "kind"):
        made.add_column(name, no_wrap=True)
    made.add_column("stages", overflow="fold")
    made.add_column("fidelity", no_wrap=True)
    made.add_column("source", overflow="fold")
    made.add_column("here", overflow="fold")
    for line in known() if lines is None else lines:
        made.add_row(line.name, line.kind, line.stages, line.fidelity, line.source, line.runs)
    return [made]


def record(lines: list[Known] | None = None) -> Mapping[str, object]:
    """The same as data."""
    chosen = known() if lines is None else lines
    return {"schema": SCHEMA, "models": [{**asdict(line), "mechanisms": [*line.mechanisms]} for line in chosen]}


def write_pages(folder: Path, results: Path) -> list[Path]:
    """Write a page on every reader into ``folder``, with the points that ``results`` holds; what was written."""
    from saccade.evaluation.results import Results
    from saccade.report.pages import catalogue as pages

    if not results.is_file():
        raise SaccadeError(f"{results}: there is no such file; saccade compare --out writes a results.json")
    return pages.write(folder, Results.from_json(results.read_text(encoding="utf-8")))
