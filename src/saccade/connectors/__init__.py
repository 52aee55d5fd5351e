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
from saccade.specs.as_is import AsIsSpec
from saccade.specs.compress import CompressSpec
from saccade.specs.foveal import FovealSpec
from saccade.specs.hiwin import HiwinSpec
from saccade.specs.latents import LatentsSpec
from saccade.specs.linear import LinearSpec
from saccade.specs.merge import MergeSpec
from saccade.specs.mlp import MlpSpec
from saccade.specs.parts import ConnectorSpec
from saccade.specs.perceiver_connector import PerceiverConnectorSpec
from saccade.specs.pixel_shuffle import PixelShuffleSpec
from saccade.specs.pool import PoolSpec
from saccade.specs.qformer import QFormerSpec
from saccade.specs.region_tokens import RegionListSpec, RegionQueriesSpec, RegionsSpec
from saccade.specs.resampler import ResamplerSpec
from saccade.specs.windows import WindowsSpec

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
