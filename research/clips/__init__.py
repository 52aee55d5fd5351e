"""Shared latents over picture, sound and text, against each of them alone."""
