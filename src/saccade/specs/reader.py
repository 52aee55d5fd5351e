"""A reader's spec: one path of parts, which adds up what they count."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid, Groups
from saccade.core.ledger import Ledger
from saccade.core.plan import Plan, Setting
from saccade.core.size import Size
from saccade.core.view import Layout
from saccade.specs.connectors.as_is import AsIsSpec
from saccade.specs.connectors.compress import CompressSpec
from saccade.specs.connectors.foveal import FovealSpec
from saccade.specs.connectors.hiwin import HiwinSpec
from saccade.specs.connectors.latents import LatentsSpec
from saccade.specs.connectors.linear import LinearSpec
from saccade.specs.connectors.merge import MergeSpec
from saccade.specs.connectors.mlp import MlpSpec
from saccade.specs.connectors.perceiver_connector import PerceiverConnectorSpec
from saccade.specs.connectors.pixel_shuffle import PixelShuffleSpec
from saccade.specs.connectors.pool import PoolSpec
from saccade.specs.connectors.qformer import QFormerSpec
from saccade.specs.connectors.region_tokens import RegionListSpec, RegionQueriesSpec, RegionsSpec
from saccade.specs.connectors.resampler import ResamplerSpec
from saccade.specs.connectors.windows import WindowsSpec
from saccade.specs.groups import everything
from saccade.specs.language.cross import CrossSpec
from saccade.specs.language.decoder import DecoderSpec
from saccade.specs.language.language import LanguageSpec
from saccade.specs.language.seq2seq import Seq2SeqSpec
from saccade.specs.laws.path import PathSpec
from saccade.specs.laws.perceiver import AttendSpec, PerceiverSpec
from saccade.specs.layouts.canvas import PagesSpec
from saccade.specs.layouts.cells import BudgetRule, PolarRule, SquareRule, UniformRule
from saccade.specs.layouts.resize import CropSpec, PadSpec, StretchSpec
from saccade.specs.layouts.sequence import (
    CalledSequence,
    FrontSequence,
    PlainSequence,
    SeparatedSequence,
    Span,
    TaggedSequence,
    WovenSequence,
)
from saccade.specs.layouts.slices import ArxivSliceSpec, EccvSliceSpec
from saccade.specs.layouts.tiles import TileSpec
from saccade.specs.parts import ConnectorSpec, SequenceSpec, TowerSpec, ViewsSpec, check
from saccade.specs.towers.regions import RegionTowerSpec
from saccade.specs.towers.sam import SamSpec
from saccade.specs.towers.serial import CausalFlowSpec, ClipBodySpec, SerialSpec
from saccade.specs.towers.vit import HubTowerSpec, StemTowerSpec

SINGLE = Setting(dtype="float32")
"""How readers run here."""

PARTS: dict[str, type] = {
    "stretch": StretchSpec,
    "crop": CropSpec,
    "pad": PadSpec,
    "slices.arxiv": ArxivSliceSpec,
    "slices.eccv": EccvSliceSpec,
    "tiles": TileSpec,
    "pages": PagesSpec,
    "tower.hub": HubTowerSpec,
    "tower.stem": StemTowerSpec,
    "tower.regions": RegionTowerSpec,
    "tower.serial": SerialSpec,
    "tower.sam": SamSpec,
    "tower.clip_body": ClipBodySpec,
    "tower.flow": CausalFlowSpec,
    "mlp": MlpSpec,
    "linear": LinearSpec,
    "pixel_shuffle": PixelShuffleSpec,
    "pool": PoolSpec,
    "resampler": ResamplerSpec,
    "windows": WindowsSpec,
    "hiwin": HiwinSpec,
    "merge": MergeSpec,
    "compress": CompressSpec,
    "qformer": QFormerSpec,
    "latents": LatentsSpec,
    "perceiver": PerceiverConnectorSpec,
    "perceiver.encoder": PerceiverSpec,
    "perceiver.attend": AttendSpec,
    "foveal": FovealSpec,
    "foveal.square": SquareRule,
    "foveal.budget": BudgetRule,
    "foveal.polar": PolarRule,
    "foveal.uniform": UniformRule,
    "as_is": AsIsSpec,
    "regions": RegionsSpec,
    "regions.queries": RegionQueriesSpec,
    "regions.list": RegionListSpec,
    "sequence.plain": PlainSequence,
    "sequence.separated": SeparatedSequence,
    "sequence.tagged": TaggedSequence,
    "sequence.front": FrontSequence,
    "sequence.called": CalledSequence,
    "sequence.woven": WovenSequence,
    "cross": CrossSpec,
    "decoder": DecoderSpec,
    "seq2seq": Seq2SeqSpec,
}
"""Every part of saccade's own, by the name under which JSON and YAML call it; others are ``package/kind``."""

BASES: dict[str, type] = {
    "views": ViewsSpec,
    "tower": TowerSpec,
    "connector": ConnectorSpec,
    "sequence": SequenceSpec,
}
"""What a part of each stage subclasses."""


@dataclass(frozen=True, kw_only=True)
class ReaderSpec:
    """picture → ``views`` → ``tower`` → ``connector`` → ``sequence`` → ``language``.

    ``template`` holds ``<image>`` once and ``{question}`` once; ``image_id`` is the placeholder's token id. Pixels are
    resampled by the filter ``resample`` and normalised by ``mean`` and ``std`` per channel, for values from 0 to 1.
    With ``cross`` the tokens stay out of the sequence and blocks of gated cross-attention read them. ``closing`` is
    what follows an answer that is given as an example; for ``opening`` see ``language.prompt.expand``.
    """

    views: ViewsSpec
    tower: TowerSpec
    connector: ConnectorSpec
    sequence: SequenceSpec
    language: DecoderSpec | Seq2SeqSpec
    template: str
    image_id: int
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    resample: Literal["bilinear", "bicubic", "lanczos"] = "bicubic"
    cross: CrossSpec | None = None
    closing: str = "\n"
    opening: str | None = None

    def __post_init__(self) -> None:
        if self.template.count("<image>") != 1 or self.template.count("{question}") != 1:
            raise SaccadeError(f"a template holds <image> and {{question}} once each, got {self.template!r}")
        if self.template.endswith("<image>"):
            raise SaccadeError(f"a template ends in text, from which the answer is predicted, got {self.template!r}")
        self._typed()
        reader, takes = self._crossed() if self.cross else ("the language model takes", self.language.width)
        if self.cross is None and self.sequence.crossed:
            raise SaccadeError(
                f"pictures are called ({type(self.sequence).__name__}) and nothing crosses to them: give cross, or "
                "splice them in"
            )
        if self.connector.width_out != takes:
            raise SaccadeError(
                f"the connector puts out {self.connector.width_out} channels, {reader} {takes}; make them equal"
            )
        if self.connector.width_in != self.tower.width:
            raise SaccadeError(
                f"the tower puts out {self.tower.width} channels, the connector takes {self.connector.width_in}; "
                "make them equal"
            )
        if self.connector.extra != self.tower.extra:
            raise SaccadeError(
                f"the tower puts out {self.tower.extra} tokens beside its patches, the connector takes "
                f"{self.connector.extra}; drop the class token in the tower, or set the connector's extra to "
                f"{self.tower.extra} if it has one (mlp, latents, perceiver, qformer)"
            )
        if self.connector.vectors != self.sequence.vectors:
            raise SaccadeError(
                f"the connector holds {self.connector.vectors} learned vectors, the sequence places "
                f"{self.sequence.vectors}; make a LinearSpec's vectors {self.sequence.vectors}"
            )
        self._listed()

    def _typed(self) -> None:
        """Raises SaccadeError where a stage holds no part of its kind."""
        for stage, base in BASES.items():
            check(getattr(self, stage), base, stage)

    def _listed(self) -> None:
        """Raises SaccadeError where only one of tower and connector knows of regions, or the two lay them out apart."""
        tower, connector = self.tower, self.connector
        if (tower.row is None) != (connector.row is None):
            raise SaccadeError(
                f"a region tower puts out a list, other towers a map, and connectors read one or the other; got "
                f"{type(tower).__name__} and {type(connector).__name__}"
            )
        if tower.row != connector.row:
            raise SaccadeError(f"the tower's rows are {tower.row}, the connector's {connector.row}; make them equal")
        if tower.undone is not None and tower.undone != (self.mean, self.std):
            mean, std = tower.undone
            raise SaccadeError(
                f"pixels are normalised by {self.mean} and {self.std}, the region tower undoes {mean} and {std}; make "
                "them equal"
            )

    def _crossed(self) -> tuple[str, int]:
        """Who reads the tokens, and of what width. Raises SaccadeError where blocks and the rest do not agree."""
        cross, language = self.cross, self.language
        assert cross is not None
        if not self.sequence.crossed:
            raise SaccadeError(
                f"{type(self.sequence).__name__} splices pictures in, cross-attention reads them beside the sequence; "
                "take CalledSequence, or no cross"
            )
        if language.layers is None:
            raise SaccadeError("cross-attention stands between the layers of a causal model, T5 is none; take another")
        if (cross.width, cross.depth) != (language.width, language.layers):
            raise SaccadeError(
                f"cross-attention is for {cross.depth} layers of {cross.width} channels, the language model has "
                f"{language.layers} of {language.width}; make them equal"
            )
        return "cross-attention reads", cross.source

    def grids(self, layout: Layout) -> list[Grid]:
        """Patches of each view."""
        return [self.tower.grid(view) for view in layout.views]

    def tokens(self, layout: Layout) -> list[int]:
        """Visual tokens of each view."""
        return [self.connector.tokens(grid) for grid in self.grids(layout)]

    def spans(self, layout: Layout) -> tuple[Span, ...]:
        """The picture's place in the sequence."""
        return self.sequence.spans(layout, self.tokens(layout))

    def order(self, layout: Layout) -> list[int] | None:
        """Numbers of the visual tokens, counted view by view, as they are read; None where that is their order."""
        return self.sequence.order(layout, self.tokens(layout))

    def ledger(self, layout: Layout, groups: list[Groups]) -> Ledger:
        """The ledger after the connector, tokens as they are read: ``groups`` name, per view, the patches of each.

        A kept class token stands in front of a view's patches: it has looked at all of them, and what it holds is
        known by attention only. A list of regions has no map: what is known is that its tokens come from the view.
        """
        grids, extra = self.grids(layout), self.tower.extra
        if self.tower.row is not None:
            grids, groups = [Grid(1, 1)] * len(grids), [everything(1, len(parts)) for parts in groups]
        ledger = Ledger.of(layout.size, layout.views, grids)
        joined: list[np.ndarray] = []
        sure: list[bool] = []
        first = 0
        for grid, parts in zip(grids, groups, strict=True):
            for part in parts:
                beside = int(part.min()) < extra
                joined.append(first + (np.arange(grid.tokens) if beside else part - extra))
                sure.append(self.connector.exact and not beside)
            first += grid.tokens
        order = self.order(layout)
        if order is not None:
            joined, sure = [joined[token] for token in order], [sure[token] for token in order]
        return replace(ledger.merge(joined), exact=tuple(sure))

    @cached_property
    def spoken(self) -> LanguageSpec:
        """What the language model costs, with its blocks of cross-attention."""
        numbers, cross = self.language.numbers, self.cross
        return numbers if cross is None else replace(numbers, cross=(len(cross.places), cross.block))

    @cached_property
    def path(self) -> PathSpec:
        """The same parts as a path that counts."""
        return PathSpec(
            views=self.views,
            tower=self.tower,
            connector=self.connector,
            sequence=self.sequence,
            language=self.spoken,
            cross=self.cross is not None,
        )

    def plan(self, picture: Size, text: int, setting: Setting = SINGLE) -> Plan:
        """Cost of one picture and ``text`` positions of prompt beside it, in single precision unless told otherwise."""
        return self.path.plan([picture], text, setting)
