import json

import pytest

from saccade.core.errors import SaccadeError
from saccade.nn.hub import config_text, parse_config
from tests.parts import LLAMA


def test_there_and_back_with_defaults_spelled_out():
    text = config_text(parse_config(json.dumps(LLAMA)))
    fields = json.loads(text)
    assert {key: fields[key] for key in LLAMA} == LLAMA
    assert fields["rms_norm_eps"] > 0
    assert config_text(parse_config(text)) == text
    assert "transformers_version" not in fields


def test_refuses_types_that_transformers_does_not_know():
    with pytest.raises(SaccadeError, match="no model type 'lama'; upgrade it or choose another"):
        parse_config('{"model_type": "lama"}')
