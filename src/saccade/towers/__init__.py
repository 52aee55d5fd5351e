"""Towers: views → patches."""

from saccade.specs.regions import RegionTowerSpec
from saccade.specs.serial import SerialSpec
from saccade.specs.vit import HubTowerSpec, StemTowerSpec
from saccade.towers.hub import HubTower
from saccade.towers.regions import RegionTower
from saccade.towers.serial import SerialTower
from saccade.towers.stem import StemTower

Tower = HubTower | StemTower | SerialTower | RegionTower


def build_tower(spec: HubTowerSpec | StemTowerSpec | SerialSpec | RegionTowerSpec) -> Tower:
    """The module of a tower's spec, randomly initialised."""
    if isinstance(spec, RegionTowerSpec):
        return RegionTower(spec)
    if isinstance(spec, SerialSpec):
        return SerialTower(spec)
    return StemTower(spec) if isinstance(spec, StemTowerSpec) else HubTower(spec)
