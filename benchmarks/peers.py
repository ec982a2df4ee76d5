"""Generation loops in wide use, written anew from what they are documented to do.

Each takes a network (tokens (B, L) to logits (B, L, V)), tokens with masks, the mask's token and a
number of steps, and returns the tokens.
"""

import torch


def llada(network, tokens, mask_id, steps, temperature=0.0, by_confidence=True):
    """The loop of LLaDA (Nie et al., arXiv 2502.09992), in one block.

    Equal sizes, the remainder first. Every position gets a proposal, the most probable symbol or
    one by Gumbel's maximum in float64; of the masked positions those are kept whose proposal has
    the largest probability, or random ones, row by row. Of the published versions it is the
    fastest: no noise at temperature 0, and the softmax in the network's own precision.
    """
    tokens = tokens.clone()
    left = (tokens == mask_id).sum(1)
    sizes = [[n // steps + (k < n % steps) for k in range(steps)] for n in left.tolist()]
    for k in range(steps):
        masked = tokens == mask_id
        logits = network(tokens)
        if temperature:
            exact = logits.double()
            noise = torch.rand_like(exact).log_().neg_().pow_(temperature)
            proposal = (exact.exp() / noise).argmax(-1)
        else:
            proposal = logits.argmax(-1)
        if by_confidence:
            chosen = proposal.unsqueeze(-1)
            score = logits.softmax(-1).gather(-1, chosen).squeeze(-1)
        else:
            score = torch.rand(tokens.shape)
        score = score.masked_fill(~masked, -torch.inf)
        for row, row_sizes in enumerate(sizes):
            places = score[row].topk(row_sizes[k]).indices
            tokens[row, places] = proposal[row, places]
    return tokens


def dream(network, tokens, mask_id, steps, least_time=1e-3):
    """The loop "origin" of Dream (Ye et al., arXiv 2508.15487): a coin for each masked token.

    Temperature 1. Times fall evenly from 1 to ``least_time``; in the step from t to s a masked
    token is revealed with probability 1 - s/t, in the last step in any case.
    """
    tokens = tokens.clone()
    times = torch.linspace(1, least_time, steps + 1)
    for k in range(steps):
        masked = tokens == mask_id
        logits = network(tokens)[masked]
        chance = 1 - times[k + 1] / times[k] if k < steps - 1 else torch.tensor(1.0)
        revealed = torch.rand(len(logits)) < chance
        symbols = torch.full((len(logits),), mask_id)
        if revealed.any():
            drawn = logits[revealed].softmax(-1).multinomial(1)
            symbols[revealed] = drawn.squeeze(1)
        tokens[masked] = symbols
    return tokens


def mdlm(network, tokens, mask_id, steps, least_time=1e-5):
    """The ancestral sampler of MDLM (Sahoo et al., arXiv 2406.07524), without its final clean-up.

    The mask is excluded. In the step from t to s each position is drawn, by Gumbel's maximum in
    float32, from its law times (t - s)/t and a mask with s/t; what was revealed stays.
    """
    tokens = tokens.clone()
    times = torch.linspace(1, least_time, steps + 1)
    for k in range(steps):
        t, s = times[k], times[k + 1]
        logits = network(tokens).clone()
        logits[..., mask_id] = -torch.inf
        law = logits.log_softmax(-1).exp_().mul_((t - s) / t)
        law[..., mask_id] = s / t
        noise = 1e-10 - (torch.rand_like(law) + 1e-10).log_()
        drawn = law.div_(noise).argmax(-1)
        tokens = torch.where(tokens == mask_id, drawn, tokens)
    return tokens
