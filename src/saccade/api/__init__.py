"""The verbs as functions: what the command line and a notebook call. One file a group; planning needs no torch."""
