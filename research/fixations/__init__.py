"""A FoveaTer that chooses where to look, against three ways that do not."""
