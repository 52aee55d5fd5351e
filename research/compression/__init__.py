"""How much text a visual token carries, on pages of print."""
