"""The parameters that every peer serves: float32 weights, with RMSProp's statistics shared by all workers."""

import math

import numpy as np
import torch

LEARNING_RATE = 7e-4
ALPHA = 0.99
EPSILON = 0.1  # below the root
SAMPLE = 64  # parameters that `fault` works out again in float64
TOLERANCE = 0.01  # relative; equal steps that are added up in float32 are all rounded the same way


class Parameters:
    """Weights that start at zero, the running mean of squared gradients, and the number of updates applied."""

    def __init__(self, floats: int) -> None:
        self.weights = torch.zeros(floats)
        self.squares = torch.zeros(floats)
        self.updates = 0
        self._scratch = torch.empty(floats)

    def apply(self, gradient: torch.Tensor) -> None:
        """One RMSProp step in place: s <- a s + (1 - a) g^2, w <- w - lr g / sqrt(s + eps)."""
        self.squares.mul_(ALPHA).addcmul_(gradient, gradient, value=1 - ALPHA)
        torch.add(self.squares, EPSILON, out=self._scratch).rsqrt_()
        self.weights.addcmul_(gradient, self._scratch, value=-LEARNING_RATE)
        self.updates += 1

    def fault(self, sent: int) -> str | None:
        """What is wrong after `sent` times `gradient_of(floats)`, if anything: the count, or the weights."""
        if self.updates != sent:
            return f"workers sent {sent} gradients, the server applied {self.updates}"
        expected = expected_weights(gradient_of(len(self.weights))[:SAMPLE].double().numpy(), sent)
        found = self.weights[:SAMPLE].double().numpy()
        if not np.allclose(found, expected, rtol=TOLERANCE, atol=0):
            worst = int(np.argmax(np.abs(found / expected - 1)))
            return f"after {sent} updates weight {worst} should be {expected[worst]}, and is {found[worst]}"
        return None


def gradient_of(floats: int) -> torch.Tensor:
    """The gradient that all workers send: one for all, so that the result does not depend on their order."""
    return torch.randn(floats, generator=torch.Generator().manual_seed(1))


def expected_weights(gradient: np.ndarray, updates: int) -> np.ndarray:
    """Where `updates` equal gradients (float64) take weights that were zero: s_k = g^2 (1 - a^k), summed over k."""
    mean_weight = -np.expm1(np.arange(1, updates + 1) * math.log(ALPHA))
    roots = np.sqrt(np.outer(mean_weight, gradient**2) + EPSILON)
    return -LEARNING_RATE * (gradient / roots).sum(axis=0)
