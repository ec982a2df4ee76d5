"""The sampler beside the loops in wide use that the benchmarks write anew."""

import pytest
import torch
from peers import dream, llada, mdlm

from dlm_core import generate
from dlm_core.schedules import Equal

LENGTH, VOCABULARY = 24, 17
MASK = VOCABULARY - 1


class Network:
    """Logits that depend on what is revealed, row by row; the mask is all but impossible."""

    def __init__(self):
        draw = torch.Generator().manual_seed(0)
        self.symbols, self.places, self.head = (
            torch.randn(n, VOCABULARY, generator=draw, dtype=torch.float64)
            for n in (VOCABULARY, LENGTH, VOCABULARY)
        )

    def __call__(self, tokens):
        heard = self.symbols[tokens].sum(1, keepdim=True) + self.places
        logits = torch.stack([row @ self.head for row in heard.tanh()])
        logits[..., MASK] = -1e3
        return logits

    def predictor(self, tokens, reveal):
        return self(tokens)[reveal]


@pytest.mark.parametrize("steps", [1, 4, 24])
def test_by_confidence_is_lladas_loop(steps):
    """At temperature 0 nothing is random, and K divides L: both loops have the same sizes."""
    network = Network()
    given = torch.full((5, LENGTH), MASK)
    ours = generate(
        network.predictor,
        Equal(LENGTH, steps),
        tokens=given,
        mask_id=MASK,
        order="confidence",
        temperature=0,
    )
    torch.testing.assert_close(ours.tokens, llada(network, given, MASK, steps), rtol=0, atol=0)
    other = generate(network.predictor, Equal(LENGTH, steps), tokens=given, mask_id=MASK, seed=1)
    assert (other.tokens != ours.tokens).any()


@pytest.mark.parametrize("loop", [dream, mdlm])
def test_loops_of_coins_keep_what_is_given_and_reveal_the_rest(loop):
    torch.manual_seed(0)
    given = torch.full((4, LENGTH), MASK)
    given[:, ::3] = 5
    tokens = loop(Network(), given, MASK, 8)
    assert (tokens[:, ::3] == 5).all()
    assert (tokens != MASK).all()
    assert (given[:, 1] == MASK).all()
