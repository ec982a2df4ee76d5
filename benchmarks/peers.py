"""Generation loops in wide use, written anew from what they are documented to do.

Each takes a network (tokens (B, L) to logits (B, L, V)), tokens with masks, the mask's token and a
number of steps, and returns the tokens. ``sizes`` makes the table (rows, steps) of how many
positions a step keeps, from where the masks of a block are.
"""

import torch


def equal_sizes(mask_index, steps):
    """LLaDA's table (B, steps) for masks (B, L): equal sizes, the remainder first."""
    left = mask_index.sum(1, keepdim=True)
    return left // steps + (torch.arange(steps) < left % steps)


def rounded_sizes(mask_index, steps):
    """dllm's table for a linear noise law: n/(steps - k), rounded, and no column of zeros."""
    left = mask_index.sum(1).double()
    columns = []
    for k in range(steps):
        columns.append((left / (steps - k)).round())
        left = left - columns[-1]
    table = torch.stack(columns, 1).long()
    # the positive entries first; a stable sort keeps their order
    table = table.gather(1, table.eq(0).byte().argsort(dim=1, stable=True))
    return table[:, table.any(0)]


def llada(
    network,
    tokens,
    mask_id,
    steps,
    temperature=0.0,
    by_confidence=True,
    *,
    prompt=0,
    blocks=1,
    sizes=equal_sizes,
):
    """The loop of LLaDA (Nie et al., arXiv 2502.09992); ``steps`` are those of one block.

    The columns after the prompt are cut into blocks. Every position gets a proposal, the most
    probable symbol or one by Gumbel's maximum in float64; of the masked positions, those of the
    prompt among them, those are kept whose proposal has the largest probability, or random ones,
    row by row. Of the published versions it is the fastest: no noise at temperature 0, and the
    softmax in the network's own precision.
    """
    tokens = tokens.clone()
    width = (tokens.shape[1] - prompt) // blocks
    for start in range(prompt, prompt + blocks * width, width):
        table = sizes(tokens[:, start : start + width] == mask_id, steps)
        for k in range(steps):
            masked = tokens == mask_id
            masked[:, start + width :] = False
            _keep(network, tokens, masked, table[:, k].tolist(), temperature, by_confidence)
    return tokens


def fast_dllm(network, tokens, mask_id, steps, *, prompt=0, blocks=1, sizes=equal_sizes):
    """The loop of Fast-dLLM (Wu et al., arXiv 2505.22618), without threshold and cache.

    Positions at random, temperature 1. It asks the network until a block has no mask.
    """
    tokens = tokens.clone()
    width = (tokens.shape[1] - prompt) // blocks
    for start in range(prompt, prompt + blocks * width, width):
        block = tokens[:, start : start + width]
        table = sizes(block == mask_id, steps)
        k = 0
        while (block == mask_id).any():
            masked = tokens == mask_id
            masked[:, start + width :] = False
            _keep(network, tokens, masked, table[:, k].tolist(), 1.0, False)
            k += 1
    return tokens


def dllm(network, tokens, mask_id, steps, *, prompts, blocks=1, sizes=rounded_sizes):
    """The masked sampler of dllm (ZHZisZZ/dllm): prompts of their own length in each row.

    Positions at random, temperature 1. A block of a row begins where its own prompt or block ends;
    the table of sizes has as many columns as some row has steps.
    """
    tokens = tokens.clone()
    column = torch.arange(tokens.shape[1]) - torch.tensor(prompts)[:, None]
    new = tokens.shape[1] - max(prompts)
    width = new // blocks
    for start in range(0, new, width):
        inside = (column >= start) & (column < start + width)
        rows = (tokens == mask_id)[inside].reshape(len(tokens), width)
        table = sizes(mask_index=rows, steps=steps)
        for k in range(table.shape[1]):
            masked = (tokens == mask_id) & (column < start + width)
            _keep(network, tokens, masked, table[:, k].tolist(), 1.0, False)
    return tokens


def _keep(network, tokens, masked, sizes, temperature, by_confidence):
    """One step of the three: propose everywhere, keep so many of the masked places of each row."""
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
    for row, size in enumerate(sizes):
        places = score[row].topk(size).indices
        tokens[row, places] = proposal[row, places]


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
