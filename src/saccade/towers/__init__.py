"""Towers: views → patches."""

from saccade.specs.serial import SerialSpec
from saccade.specs.vit import HubTowerSpec, StemTowerSpec
from saccade.towers.hub import HubTower
from saccade.towers.serial import SerialTower
from saccade.towers.stem import StemTower


def build_tower(spec: HubTowerSpec | StemTowerSpec | SerialSpec) -> HubTower | StemTower | SerialTower:
    """The module of a tower's spec, randomly initialised."""
    if isinstance(spec, SerialSpec):
        return SerialTower(spec)
    return StemTower(spec) if isinstance(spec, StemTowerSpec) else HubTower(spec)
