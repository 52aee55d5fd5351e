"""Parts of foveated vision that no study uses yet, each with tests: see ``research/README.md``."""
