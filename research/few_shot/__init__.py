"""Accuracy with examples in the prompt."""
