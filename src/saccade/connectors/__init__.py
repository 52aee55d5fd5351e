"""Connectors: patches → visual tokens."""

from torch import nn

from saccade.connectors.as_is import AsIs
from saccade.connectors.compress import Compress
from saccade.connectors.foveal import Foveal
from saccade.connectors.hiwin import Hiwin
from saccade.connectors.latents import Latents
from saccade.connectors.linear import Linear
from saccade.connectors.merge import Merge
from saccade.connectors.mlp import Mlp
from saccade.connectors.perceiver import PerceiverConnector
from saccade.connectors.pixel_shuffle import PixelShuffle
from saccade.connectors.pool import Pool
from saccade.connectors.qformer import QFormer
from saccade.connectors.regions import RasterRegions, RegionList, RegionQueries
from saccade.connectors.resampler import Resampler
from saccade.connectors.windows import Windows
from saccade.nn.foreign import built
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
from saccade.specs.parts import ConnectorSpec

CONNECTORS: dict[type, type[nn.Module]] = {
    MlpSpec: Mlp,
    LinearSpec: Linear,
    PixelShuffleSpec: PixelShuffle,
    PoolSpec: Pool,
    ResamplerSpec: Resampler,
    WindowsSpec: Windows,
    HiwinSpec: Hiwin,
    MergeSpec: Merge,
    CompressSpec: Compress,
    QFormerSpec: QFormer,
    LatentsSpec: Latents,
    PerceiverConnectorSpec: PerceiverConnector,
    FovealSpec: Foveal,
    AsIsSpec: AsIs,
    RegionsSpec: RasterRegions,
    RegionQueriesSpec: RegionQueries,
    RegionListSpec: RegionList,
}


def build_connector(spec: ConnectorSpec) -> nn.Module:
    """The module of a connector's spec, randomly initialised; a spec of another package brings ``build()``."""
    known = CONNECTORS.get(type(spec))
    return built(spec) if known is None else known(spec)
