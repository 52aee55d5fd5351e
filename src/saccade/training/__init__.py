"""Training: loops, stages, recipes, and connectors on generated scenes."""
