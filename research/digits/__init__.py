"""A Perceiver IO on handwritten digits, beside two plain classifiers."""
