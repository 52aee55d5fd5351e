"""The arithmetic of costs: what one operation takes, in FLOPs (2 × multiply-adds) and weights.

The figures equal torch's own counter on the *meta* device. Uncounted, as there: norms' arithmetic,
activations, softmax, biases' additions, resampling, memory moves. Norms and biases count as weights.
"""

from saccade.core.plan import Cost


def linear(tokens: int, width_in: int, width_out: int, *, bias: bool = True) -> Cost:
    """A matrix applied to ``tokens`` vectors."""
    return Cost(2 * tokens * width_in * width_out, width_in * width_out + bias * width_out)


def convolution(places: int, kernel: int, width_in: int, width_out: int, *, bias: bool = True) -> Cost:
    """A ``kernel`` × ``kernel`` convolution that puts out ``places`` positions."""
    weights = kernel * kernel * width_in * width_out
    return Cost(2 * places * weights, weights + bias * width_out)


def attention(queries: int, keys: int, width: int) -> Cost:
    """Scores and weighted sum over all heads (``width`` = heads × head width), the full rectangle."""
    return Cost(4 * queries * keys * width)


def norm(width: int, *, bias: bool = True) -> Cost:
    """Scale and, with ``bias``, shift of a normalisation: weights only."""
    return Cost(0, width * (1 + bias))


def weights(count: int) -> Cost:
    """Weights that are looked up or added: embeddings, queries."""
    return Cost(0, count)


def total(*costs: Cost) -> Cost:
    """The sum of all."""
    flops = params = 0
    for cost in costs:  # one object made instead of one a term: planning thousands of sizes spends its time here
        flops += cost.flops
        params += cost.params
    return Cost(flops, params)


def stack(layer: Cost, depth: int) -> Cost:
    """``depth`` layers of one shape, each with weights of its own."""
    return Cost(layer.flops * depth, layer.params * depth)
