"""Default values of the verbs' arguments: help texts print them, so importing this brings nothing else."""

MODEL = "llava"
"""The model that is asked unless another is named."""
MAX_TOKENS = 64
"""Tokens of an answer at most, unless told otherwise."""
PICTURES = 160
"""Pictures of the generated exam that a comparison asks about."""
TEXT = 64
"""Positions of text in a planned prompt."""
