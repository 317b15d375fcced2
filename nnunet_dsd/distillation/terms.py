"""A loss as a named, weighted sum of terms, so that each part can be logged and the formula printed."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return the sum of weight times term; a term of weight 0 stays in the graph, as data-parallel training needs.

    Args:
        terms: Scalars by name, at least one.
        weights: A weight for each name.

    Raises:
        KeyError: if a term has no weight.
    """
    scaled = [weights[name] * value for name, value in terms.items()]
    total = scaled[0]
    for value in scaled[1:]:
        total = total + value
    return total


def ramped(progress: float, *, over: float) -> float:
    """Return the share of its weight that a term has: from 0 to 1 over a fraction of the training, then 1.

    Args:
        progress: Fraction of the training done at the end of the current epoch.
        over: The fraction; 0: the whole weight from the start.
    """
    return min(1.0, progress / over) if over > 0 else 1.0


def formula(weights: Mapping[str, float]) -> str:
    """Return the sum as a line of text, for the training log: `1 * output + 0.5 * encoder_kl_1 + ...`."""
    return " + ".join(f"{weight:.4g} * {name}" for name, weight in weights.items())
