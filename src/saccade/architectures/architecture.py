"""What is known of one published architecture, in one place: how it is planned, set, composed, loaded and hosted.

Importing this, and every folder's ``__init__``, needs no torch: what does is named as text and imported on first use.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from saccade.architectures.settings.lines import Advice
from saccade.core.fidelity import Fidelity
from saccade.specs.planner.system import Family

if TYPE_CHECKING:
    from saccade.specs.reader import ReaderSpec

Mechanism = Literal["resizing", "token selection", "shared prefix", "attention", "cached values"]
"""What a policy may need of the inside of a hosted model."""
Stage = Literal["views", "vision", "connector", "language"]
"""A stage of a plan, in which the published code and a composition may differ: in what is seen, in cost or peak."""
MECHANISMS: tuple[Mechanism, ...] = ("resizing", "token selection", "shared prefix", "attention", "cached values")


UNREAD_LAYER = "the published code runs the tower's last layer too, of which nothing is read"
PADDED_VOCABULARY = "the published model has no row for the placeholder; here the vocabulary is padded by 64 rows"
"""Reasons why a composition costs otherwise that several architectures share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Composition:
    """A reader that saccade puts together from its own parts, by name.

    ``module`` is the file that describes it, imported on first use: planning needs no NumPy, specifications of readers
    do. Its docstring says the law of the reader.
    """

    summary: str
    fidelity: Fidelity
    module: str

    @property
    def presets(self) -> Mapping[str, Callable[[], "ReaderSpec"]]:
        """What makes the specification, in one size each."""
        return import_module(self.module).PRESETS

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Where the paper leaves a choice open, what was chosen."""
        return getattr(import_module(self.module), "ASSUMPTIONS", ())


@dataclass(frozen=True, kw_only=True, slots=True)
class Loader:
    """Opens published checkpoints as compositions of saccade's parts.

    ``function`` is ``module:name``, imported on first use, since it needs torch. ``types`` are the values of
    ``model_type`` in ``config.json`` that it takes; ``pieces`` is its kind in a ``saccade.json`` that names files of a
    checkpoint. ``whole``: what it makes has a contract of its own and answers no questions.
    """

    function: str
    types: tuple[str, ...] = ()
    pieces: str = ""
    whole: bool = False

    def __call__(self, *arguments: object) -> Any:  # noqa: ANN401 (a composition, or a model of its own contract)
        """Call the function that ``function`` names."""
        module, _, name = self.function.partition(":")
        return getattr(import_module(module), name)(*arguments)


@dataclass(frozen=True, kw_only=True, slots=True)
class HostedKind:
    """How the class of ``transformers`` is run, and what was proved of its inside.

    ``processor`` is the class that writes its prompts; ``axis`` counts the views along an axis of its pixels; its
    tower's tokens come ``listed`` per image, or as one tensor. ``axes`` are those of a position: time, row and column
    where there are three. In ``blocks``, the tokens of an image attend to each other in both directions. ``proved`` are
    the mechanisms that a test holds to the model's own computation.
    """

    processor: str
    axis: int = 0
    listed: bool = True
    axes: int = 1
    blocks: bool = False
    proved: tuple[Mechanism, ...] = MECHANISMS


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """One architecture.

    ``name`` is its ``model_type`` in ``config.json`` where it is published, and its own name where it is the survey's.
    ``family`` plans it and ``advice`` says how it is set in transformers, vLLM and lmms-eval: both, or neither.
    ``presets`` are published checkpoints whose numbers stand under ``presets/``. ``compositions`` are built from
    saccade's parts. ``composed`` names the composition and the preset of it that a published checkpoint comes to, and
    ``differs`` says by stage why a composition costs otherwise than the published code. ``loaders`` open published
    weights as compositions. ``hosted`` is None where nothing is known of the inside; ``answers``: the library runs it,
    and only its answers are known.
    """

    name: str
    family: Family | None = None
    advice: Advice | None = None
    presets: tuple[str, ...] = ()
    compositions: Mapping[str, Composition] = field(default_factory=dict)
    composed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    differs: Mapping[Stage, str] = field(default_factory=dict)
    loaders: tuple[Loader, ...] = ()
    hosted: HostedKind | None = None
    answers: bool = False
