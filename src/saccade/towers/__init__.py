"""Towers: views → patches."""

from saccade.specs.vit import HubTowerSpec, StemTowerSpec
from saccade.towers.hub import HubTower
from saccade.towers.stem import StemTower


def build_tower(spec: HubTowerSpec | StemTowerSpec) -> HubTower | StemTower:
    """The module of a tower's spec, randomly initialised."""
    return StemTower(spec) if isinstance(spec, StemTowerSpec) else HubTower(spec)
