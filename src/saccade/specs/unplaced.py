"""What connectors with learned queries share: their tokens have no place, and are known by attention only."""

from saccade.core.grid import Grid


class Unplaced:
    """For specs whose tokens are learned queries or latents, whatever the view."""

    __slots__ = ()

    def grid_out(self, grid: Grid) -> None:
        """A learned query has no place; windows of any map form one square, which is not the map's shape."""
        del grid

    @property
    def exact(self) -> bool:
        """What a query holds is known by attention only."""
        return False
