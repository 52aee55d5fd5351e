"""``transformers`` configs as JSON text, and modules from them: what towers and language models share."""

import json

from transformers import AutoConfig, PreTrainedConfig

from saccade.compat.hf import ORIGIN_KEY
from saccade.core.errors import SaccadeError

_NOISE = (ORIGIN_KEY, "architectures", "dtype", "torch_dtype", "transformers_version", "use_cache")
"""Where a config came from and how it was last run: no part of an architecture."""


def parse_config(text: str) -> PreTrainedConfig:
    """The config object of ``text``; ``model_type`` says of which class. Raises SaccadeError for unknown types."""
    fields = json.loads(text)
    kind = fields.pop("model_type")
    try:
        return AutoConfig.for_model(kind, **fields)
    except ValueError as error:
        raise SaccadeError(f"this transformers has no model type {kind!r}; upgrade it or choose another") from error


def config_text(config: PreTrainedConfig) -> str:
    """``config`` with every default spelled out, in one canonical form."""
    fields = {key: value for key, value in config.to_dict().items() if key not in _NOISE}
    return json.dumps(fields, sort_keys=True)
