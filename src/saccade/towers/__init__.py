"""Towers: views → patches."""

from torch import nn

from saccade.nn.foreign import built
from saccade.specs.parts import TowerSpec
from saccade.specs.towers.regions import RegionTowerSpec
from saccade.specs.towers.serial import SerialSpec
from saccade.specs.towers.vit import HubTowerSpec, StemTowerSpec
from saccade.towers.hub import HubTower
from saccade.towers.regions import RegionTower
from saccade.towers.serial import SerialTower
from saccade.towers.stem import StemTower

TOWERS: dict[type, type[nn.Module]] = {
    HubTowerSpec: HubTower,
    StemTowerSpec: StemTower,
    SerialSpec: SerialTower,
    RegionTowerSpec: RegionTower,
}


def build_tower(spec: TowerSpec) -> nn.Module:
    """The module of a tower's spec, randomly initialised; a spec of another package brings ``build()``."""
    known = TOWERS.get(type(spec))
    return built(spec) if known is None else known(spec)
