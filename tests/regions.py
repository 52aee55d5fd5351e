"""What tests of regions share: pictures of shapes, and small specs."""

import json

import numpy as np
from PIL import Image, ImageDraw

from saccade.architectures.llava.reader import llama
from saccade.core.size import Size
from saccade.specs.connectors.region_tokens import RegionListSpec, RegionQueriesSpec, RegionsSpec
from saccade.specs.layouts.resize import PadSpec
from saccade.specs.layouts.sequence import PlainSequence
from saccade.specs.parts import ConnectorSpec
from saccade.specs.reader import ReaderSpec
from saccade.specs.towers.regions import RegionTowerSpec
from saccade.specs.towers.vit import HubTowerSpec, StemTowerSpec
from tests.parts import CLIP

STEM = StemTowerSpec(width=16, depth=2, heads=2, mlp=24, side=32)
TOWER = RegionTowerSpec(inner=STEM, most=5, side=16, raster=4)
EMBEDDING = RegionTowerSpec(
    inner=HubTowerSpec(config=json.dumps(CLIP), keep_class=True), most=3, side=28, raster=2, joint=12
)
RASTER = RegionsSpec(features=16, width_out=16, raster=4)
QUERIES = RegionQueriesSpec(features=16, width_out=16, queries=10, heads=2, raster=4)
LIST = RegionListSpec(features=16, width_out=16, raster=4)
CONNECTORS = {"raster": RASTER, "queries": QUERIES, "list": LIST}


def shapes(count: int, side: int = 64, seed: int = 0) -> Image.Image:
    """``count`` blocks of 6 × 5 pixels and more, apart from each other, each of a colour of its own."""
    random = np.random.default_rng([seed, count])
    image = Image.new("RGB", (side, side), (20, 20, 30))
    draw = ImageDraw.Draw(image)
    for number in range(count):
        row, col = divmod(number, 6)
        left, top = 10 * col + 2, 10 * row + 2
        colour = tuple(int(channel) for channel in random.integers(90, 256, 3))
        draw.rectangle((left, top, left + 5 + number % 2, top + 4 + number % 3), fill=colour)
    return image


def spec(connector: ConnectorSpec = RASTER, **changes: object) -> ReaderSpec:
    """A whole path, 64 px views."""
    parts: dict[str, object] = {
        "views": PadSpec(size=Size(64, 64), colour=(127, 127, 127)),
        "tower": TOWER,
        "sequence": PlainSequence(),
        "language": llama(width=16, mlp=32, depth=2, heads=2, vocabulary=258, context=1024, end=256),
        "template": "USER: <image>\n{question} ASSISTANT:",
        "image_id": 257,
    }
    return ReaderSpec(connector=connector, **(parts | changes))
