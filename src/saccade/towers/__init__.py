"""Towers: views → patches."""

from saccade.specs.regions import RegionTowerSpec
from saccade.specs.vit import HubTowerSpec, StemTowerSpec
from saccade.towers.hub import HubTower
from saccade.towers.regions import RegionTower
from saccade.towers.stem import StemTower

Tower = HubTower | StemTower | RegionTower


def build_tower(spec: HubTowerSpec | StemTowerSpec | RegionTowerSpec) -> Tower:
    """The module of a tower's spec, randomly initialised."""
    if isinstance(spec, RegionTowerSpec):
        return RegionTower(spec)
    return StemTower(spec) if isinstance(spec, StemTowerSpec) else HubTower(spec)
