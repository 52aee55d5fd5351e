#!/usr/bin/env bash
# transformers 5.24.0, torch 2.13.0 (CPU). After a process has called from_pretrained once, a torch.device context no
# longer reaches torch.linspace: inside `with torch.device("meta")`, torch.linspace makes its tensor on the CPU, while
# torch.arange and torch.empty still follow the context. Code that builds a model on the meta device (to count it, or to
# fill it later) and makes a table of positions or of drop-path rates by linspace then mixes devices, depending on whether
# anything was loaded earlier in the same process.
#
# Cause, as far as the two sources tell: from_pretrained replaces torch.linspace for its own duration, so that models on
# the meta device can compute with it; torch lists the functions that a device context redirects once in a process, when
# the first context opens. Where from_pretrained opens that first context, the replacement is listed, and the restored
# function is not.
#
# What was seen, and holds here: after from_pretrained, linspace lies on cpu and arange on meta; where a device context was
# opened before the first from_pretrained, both lie on meta. Fails if either changes.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/python" -m pip install --quiet --disable-pip-version-check ${PIP_ARGS:-} torch==2.13.0 transformers==5.24.0
cat >"$room/probe.py" <<'PY'
import sys
import tempfile

import torch
from transformers import LlamaConfig, LlamaForCausalLM

early = sys.argv[1] == "early"
if early:
    with torch.device("cpu"):
        torch.empty(0)
config = LlamaConfig(
    vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1
)
with tempfile.TemporaryDirectory() as folder:
    LlamaForCausalLM(config).save_pretrained(folder)
    LlamaForCausalLM.from_pretrained(folder)
with torch.device("meta"):
    found = {"linspace": torch.linspace(0, 1, 3).device.type, "arange": torch.arange(3).device.type}
print("context opened before loading" if early else "nothing opened before loading", found)
assert found == {"linspace": "meta" if early else "cpu", "arange": "meta"}, found
PY
"$room/venv/bin/python" "$room/probe.py" late
"$room/venv/bin/python" "$room/probe.py" early
echo "as described: linspace is left out of device contexts after the first from_pretrained"
