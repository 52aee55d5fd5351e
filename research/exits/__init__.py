"""A tower that answers from several depths, at equal mean FLOPs."""
