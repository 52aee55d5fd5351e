"""A path: parts in a row, and the plan that adds up what they count.

picture → ``views`` → ``tower`` → ``connector`` → ``sequence`` (or cross-attention) → ``language``

Nothing here knows a part's kind; each stage is a protocol, and anything that counts in its words takes part.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from saccade.core.errors import SaccadeError
from saccade.core.grid import Grid
from saccade.core.plan import Cost, Peak, Plan, Setting
from saccade.core.size import Size
from saccade.core.view import Layout, View
from saccade.specs.language.language import LanguageSpec

MOST_VIEWS = 10_000_000
"""Views that one plan lists at most."""


@dataclass(frozen=True, slots=True)
class Video:
    """``frames`` pictures of ``size`` at ``fps`` a second."""

    size: Size
    frames: int
    fps: float

    def __post_init__(self) -> None:
        if self.frames < 1 or not 0 < self.fps < float("inf"):
            raise SaccadeError(
                f"a video needs at least 1 frame and a rate above 0, got {self.frames} at {self.fps} fps"
            )


Media = Size | Video
"""What is planned: a picture (or page) of a size, or a video."""


@runtime_checkable
class Views(Protocol):
    """picture → views."""

    def layout(self, picture: Size, /) -> Layout:
        """Which views, in reading order."""
        ...


@runtime_checkable
class Tower(Protocol):
    """views → patches."""

    @property
    def extra(self) -> int:
        """Positions a view beside its patches."""
        ...

    def grid(self, view: View, /) -> Grid:
        """Patches of a view."""
        ...

    def cost(self, grid: Grid, /) -> Cost:
        """One view."""
        ...

    def peak(self, grids: Sequence[Grid], number: int, /, *, eager: bool) -> int:
        """Bytes alive at the worst moment, all views in one batch."""
        ...


@runtime_checkable
class Connector(Protocol):
    """patches → visual tokens."""

    def tokens(self, grid: Grid, /) -> int:
        """Tokens a view."""
        ...

    def grid_out(self, grid: Grid, /) -> Grid | None:
        """Tokens as they lie in the view; None where a token has no place (learned queries, merged patches)."""
        ...

    def cost(self, grid: Grid, /) -> Cost:
        """One view."""
        ...

    def peak(self, grids: Sequence[Grid], number: int, /, *, eager: bool) -> int:
        """Bytes alive at the worst moment, all views in one batch."""
        ...


@runtime_checkable
class Sequencing(Protocol):
    """visual tokens → positions of the language sequence."""

    def slots(self, layout: Layout, tokens: Sequence[int], /) -> int:
        """Positions that one layout adds, a video's over all its steps; ``tokens`` counts each view's."""
        ...


@runtime_checkable
class Sampling(Protocol):
    """video → views."""

    def layout(self, video: Video, /) -> Layout:
        """One step's views, and how many steps there are."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoPath:
    """What is different for videos: the ``sampling`` of frames, the ``sequence`` of their tokens, and the ``tower``
    where several frames attend to each other; the picture's own where None.
    """

    sampling: Sampling
    sequence: Sequencing
    tower: Tower | None = None


@dataclass(frozen=True, kw_only=True)
class PathSpec:
    """Parts in a row. ``video`` is how videos are read, None where they are not; ``cross`` hands tokens to
    cross-attention instead of the sequence; a path without ``language`` ends with its tokens. ``fed`` counts the visual
    tokens of a layout that reach the language model where not all do.
    """

    views: Views
    tower: Tower
    connector: Connector
    sequence: Sequencing
    language: LanguageSpec | None
    video: VideoPath | None = None
    cross: bool = False
    fed: Callable[[Layout], int] | None = None

    def layout(self, media: Media) -> Layout:
        """How one picture or video is looked at."""
        if isinstance(media, Size):
            return self.views.layout(media)
        if self.video is None:
            raise SaccadeError("this model reads no videos; plan its frames as pictures instead")
        return self.video.sampling.layout(media)

    def plan(
        self, media: Sequence[Media], text: int, setting: Setting | None = None, *, keep: int | None = None
    ) -> Plan:
        """One prompt over all of ``media`` with ``text`` further positions, ``setting.batch`` times at once.

        ``keep`` is how many of the visual tokens are read, the others being dropped behind the connector.
        """
        setting = Setting() if setting is None else setting
        if not media:
            raise SaccadeError("there is nothing to plan: name at least 1 picture, page or video")
        if text < 0:
            raise SaccadeError(f"a prompt has 0 or more positions of text, got {text}")
        seen = [self._seen(one) for one in media]
        visual, slots = sum(one.visual for one in seen), sum(one.slots for one in seen)
        if keep is not None:
            if not 0 <= keep <= visual:
                raise SaccadeError(f"there are {visual} visual tokens to keep from, got {keep}")
            slots, visual = slots if self.cross else slots - visual + keep, keep
        keys, length = visual if self.cross else 0, slots + text
        batch, number, eager = setting.batch, setting.number, setting.attention == "eager"
        runs: Counter[tuple[Tower, Grid]] = Counter()
        for one in seen:
            runs.update({(one.tower, grid): times * batch for grid, times in one.grids.items()})
        if runs.total() > MOST_VIEWS:
            raise SaccadeError(
                f"a plan counts up to {MOST_VIEWS:,} views at once, got {runs.total():,} (batch {batch:,}); plan a "
                "smaller batch, or fewer frames"
            )
        grids = [grid for (_, grid), times in runs.items() for _ in range(times)]
        worst = max(tower.peak([g for (t, g), n in runs.items() if t == tower for _ in range(n)], number, eager=eager)
                    for tower in {tower for tower, _ in runs})  # fmt: skip
        return Plan(
            layouts=tuple(one.layout for one in seen),
            patches=sum((grid.tokens + tower.extra) * times for (tower, grid), times in runs.items()) // batch,
            visual_tokens=visual,
            slots=slots,
            length=length,
            cross_keys=keys,
            vision=_each([(tower.cost(grid), times) for (tower, grid), times in runs.items()]),
            connector=_each([(self.connector.cost(grid), times) for (_, grid), times in runs.items()]),
            language=_batched(self._prefill(length, keys), batch),
            causal_flops=0 if self.language is None or not length else batch * self.language.causal(length, keys),
            token=_batched(self._token(length, keys), batch),
            idle_params=0 if self.language is None else self.language.idle(batch),
            kv_bytes=0 if self.language is None else batch * self.language.kv_bytes(length, number, keys),
            peak=Peak(
                vision=worst,
                connector=self.connector.peak(grids, number, eager=eager),
                language=self._peak([length] * batch, visual, number, eager=eager),
            ),
            setting=setting,
            why=tuple(one.why for one in seen),
        )

    def _seen(self, media: Media) -> "_Seen":
        """One picture or video: its layout, grids, tokens and positions, and why."""
        layout = self.layout(media)
        video = None if isinstance(media, Size) else self.video
        tower = self.tower if video is None or video.tower is None else video.tower
        sequence = self.sequence if video is None else video.sequence
        grids = [tower.grid(view) for view in layout.views]
        tokens = [self.connector.tokens(grid) for grid in grids]
        slots = sequence.slots(layout, tokens)
        visual = sum(tokens) * layout.times if self.fed is None else self.fed(layout)
        counted = Counter(grids)
        for grid in counted:
            counted[grid] *= layout.times
        return _Seen(layout, tower, counted, visual, slots, f"{layout.why}; {self._sum(tokens, layout, visual, slots)}")

    def _sum(self, tokens: Sequence[int], layout: Layout, visual: int, slots: int) -> str:
        """The count in words: views × tokens, steps, markers."""
        parts = [f"{views} × {each}" if views > 1 else f"{each}" for each, views in Counter(tokens).items()]
        told, times = " + ".join(parts), layout.times
        if times > 1:
            told = f"{times} × ({told})" if len(parts) > 1 or len(tokens) > 1 else f"{times} × {told}"
        made = sum(tokens) * times
        told = f"{visual:,} visual tokens" if told == f"{visual}" else f"{told} = {made:,} visual tokens"
        if made != visual:
            told = f"{told}, {visual:,} of them fed"
        if self.cross:
            return f"{told} behind cross-attention, {slots} positions in the sequence"
        return f"{told}; with {slots - visual:,} markers {slots:,} positions" if slots > visual else told

    def token_grid(self, view: View) -> Grid | None:
        """How a view's tokens lie in it, None where they have no place."""
        return self.connector.grid_out(self.tower.grid(view))

    def _prefill(self, length: int, keys: int) -> Cost:
        return Cost() if self.language is None or not length else self.language.cost(length, keys)

    def _peak(self, lengths: Sequence[int], visual: int, number: int, *, eager: bool) -> int:
        """Bytes alive at prefill's worst moment: the visual tokens too, as they were made and joined for the splice."""
        if self.language is None:
            return 0
        spliced = 0 if self.cross else 2 * len(lengths) * visual * self.language.width * number
        return spliced + self.language.peak(lengths, number, eager=eager)

    def _token(self, length: int, keys: int) -> Cost:
        return Cost() if self.language is None else self.language.token(length, keys)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One picture or video on its way through a path."""

    layout: Layout
    tower: Tower
    grids: Counter[Grid]
    visual: int
    slots: int
    why: str


def _each(runs: Sequence[tuple[Cost, int]]) -> Cost:
    """One module over all views: FLOPs add, weights do not."""
    return Cost(sum(one.flops * times for one, times in runs), max(one.params for one, _ in runs))


def _batched(cost: Cost, batch: int) -> Cost:
    return Cost(cost.flops * batch, cost.params)
