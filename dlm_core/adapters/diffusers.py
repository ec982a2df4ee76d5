"""A scheduler for the ``LLaDA2Pipeline`` of diffusers that follows a law of sizes."""

from typing import Any

from dlm_core._check import instance, integer, number, shown
from dlm_core._plan import KnownOrder, prepare
from dlm_core._torch import torch
from dlm_core.predictor import MaskPredictor
from dlm_core.schedules import Schedule

try:
    import diffusers
except ModuleNotFoundError as error:
    if error.name != "diffusers":
        raise
    message = "diffusers is not installed: pip install dlm-core[diffusers] brings it"
    raise ModuleNotFoundError(message, name=error.name) from None

# What is overridden below is no contract of diffusers, and may change with any version.
if not diffusers.__version__.startswith("0.42."):
    raise ImportError(
        "diffusers must be of a version 0.42, whose BlockRefinementScheduler UnmaskingScheduler is "
        f"made for, got {diffusers.__version__}: pip install dlm-core[diffusers] brings one",
        name="diffusers",
    )

from diffusers.schedulers.scheduling_block_refinement import (
    BlockRefinementScheduler,
    BlockRefinementSchedulerOutput,
)

__all__ = ["UnmaskingScheduler"]


class UnmaskingScheduler(BlockRefinementScheduler):
    """Sizes from a law, positions in random order, for ``diffusers.LLaDA2Pipeline``.

    Each block of the pipeline is generated as ``generate`` would: every row of the batch has sizes
    and an order of its own, tokens are drawn in float64 where they are revealed and nowhere else,
    the mask is never drawn, and each of the ``K`` calls of a block reveals something. A block that
    begins inside the prompt has fewer masks, and follows the schedule of the same kind for their
    number. Revealed tokens never change: what the pipeline gives as ``threshold``,
    ``editing_threshold`` and ``minimal_topk`` has no effect on which tokens are kept.

    The pipeline fills whole blocks and cuts what is beyond ``gen_length`` afterwards: of a prompt
    and a ``gen_length`` that together are no multiple of the block, the last block spends part of
    its sizes on tokens that are thrown away.

    Parameters
    ----------
    schedule : Schedule or dict
        The law of the sizes of one block, whose length is that of the block, or what its
        ``to_dict`` gave. The pipeline has to be called with ``num_inference_steps`` equal to its
        ``steps``.

    Raises
    ------
    TypeError, ValueError
        If ``schedule`` is neither.

    Examples
    --------
    >>> from dlm_core.schedules import ShiftedEqual
    >>> scheduler = UnmaskingScheduler(ShiftedEqual(length=32, steps=8))
    >>> scheduler.config.block_length, scheduler.num_inference_steps
    (32, 8)
    """

    def __init__(self, schedule: Schedule | dict[str, Any]) -> None:
        if isinstance(schedule, dict):
            schedule = Schedule.from_dict(schedule)
        self.schedule = instance("schedule", schedule, Schedule)
        super().__init__(block_length=schedule.length, num_inference_steps=schedule.steps)
        self.register_to_config(schedule=schedule.to_dict())
        self._begin_block(None)

    @classmethod
    def extract_init_dict(
        cls, config_dict: dict[str, Any], **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """What the constructor is given from a configuration: of ours, the schedule alone."""
        # the rest follows from it, and would be warned of as superfluous
        implied = BlockRefinementScheduler._get_init_keys(BlockRefinementScheduler)
        own = {key: value for key, value in config_dict.items() if key not in implied}
        return super().extract_init_dict(own, **kwargs)

    def set_timesteps(
        self,
        num_inference_steps: int,
        device: str | torch.device | None = None,
        block_length: int | None = None,
    ) -> None:
        """Prepare a run, whose shape has to be that of the schedule.

        Parameters
        ----------
        num_inference_steps : int
            Calls of the model in each block.
        device : str or torch.device, optional
            Where the model is.
        block_length : int, optional
            Tokens in each block.

        Raises
        ------
        ValueError
            If the steps or the length are not those of the schedule.
        """
        if num_inference_steps != self.schedule.steps:
            raise ValueError(
                "num_inference_steps must be the steps of the schedule in each block, "
                f"{self.schedule.steps}, got {shown(num_inference_steps)} (of which LLaDA2Pipeline "
                "takes at most gen_length // minimal_topk, and 32 unless told otherwise)"
            )
        if block_length not in (None, self.schedule.length):
            raise ValueError(
                f"block_length must be the length of the schedule, {self.schedule.length}, "
                f"got {shown(block_length)}"
            )
        super().set_timesteps(num_inference_steps, device, block_length)
        self._begin_block(None)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: int | torch.Tensor,
        sample: torch.Tensor,
        *,
        mask_token_id: int | None = None,
        temperature: float = 0.0,
        top_p: float | None = None,
        top_k: int | None = None,
        sampling_method: str = "auto",
        threshold: float | None = None,
        editing_threshold: float | None = None,
        minimal_topk: int | None = None,
        prompt_mask: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
    ) -> BlockRefinementSchedulerOutput | tuple[torch.Tensor, ...]:
        """Reveal what comes next in a block.

        Parameters
        ----------
        model_output : Tensor, shape (B, L, V)
            Logits of the block.
        timestep : int or Tensor
            The number of the call in this block; 0 begins a new one.
        sample : Tensor of int64, shape (B, L)
            The block, with ``mask_token_id`` at what is to be revealed.
        mask_token_id : int
            The mask's token; it is never drawn. Models without a mask are refused.
        temperature : float
            Divides the logits; at 0 the most probable token is taken, ties broken at random.
        top_p, top_k : float, int, optional
            Cut the law of each token as diffusers does, after the temperature.
        sampling_method : {"auto", "multinomial", "greedy"}
            With ``"greedy"`` the temperature is 0.
        threshold, editing_threshold, minimal_topk, prompt_mask
            No effect: the schedule says how many are kept, and nothing that is known changes.
        generator : torch.Generator, optional
            The source of one seed for each block; by default torch's own, ``torch.manual_seed``.
        return_dict : bool
            Whether to return a ``BlockRefinementSchedulerOutput`` or its values as a tuple.

        Returns
        -------
        BlockRefinementSchedulerOutput or tuple
            ``sampled_tokens`` is the new block and ``sampled_probs`` what its tokens of this call
            had as probabilities, zero elsewhere; no token is edited.

        Raises
        ------
        TypeError, ValueError
            If there is no mask, ``timestep`` does not begin with 0, the block has another shape
            than before or than ``model_output``, or more masks than the schedule has positions.
        """
        if mask_token_id is None:
            raise ValueError(
                "mask_token_id must be given: a model of uniform noise has no mask, and its "
                "unmasking is not what a schedule speaks of"
            )
        k, mask_id = (
            integer("timestep", int(timestep), 0),
            integer("mask_token_id", mask_token_id, 0),
        )
        temperature = number("temperature", temperature, at_least=0)
        if k == 0:
            self._begin_block(sample, mask_id, generator)
        if self._plan is None or self._uniforms.shape != sample.shape:
            raise ValueError(
                "timestep must be 0 in the first call of a block, and the block keep its shape, "
                f"got {k} with shape {tuple(sample.shape)}"
            )
        if model_output.shape[:-1] != sample.shape:
            raise ValueError(
                f"model_output must have the shape {tuple(sample.shape)} of sample, and V, got "
                f"{tuple(model_output.shape)}"
            )
        previous = sample.clone(memory_format=torch.contiguous_format)
        probs = torch.zeros(sample.shape, device=sample.device)
        places = self._plan.places(k) if k < self._plan.calls else sample.new_empty(0)
        # what a callback of the pipeline filled in is left alone
        places = places[sample.take(places) == mask_id]
        if len(places):
            if sampling_method == "greedy":
                temperature = 0.0
            logits = model_output.flatten(0, 1)[places]
            if temperature and not (top_k is None and top_p is None):
                logits = logits.double() / temperature
                logits[:, mask_id : mask_id + 1] = -torch.inf
                logits = self._top_p_filtering(self._top_k_filtering(logits, top_k), top_p)
                temperature = 1.0
            ask = MaskPredictor(lambda tokens, reveal: logits, mask_id)
            laws = ask.laws(sample, places)
            symbols, chances = laws.draw(self._uniforms.take(places), temperature)
            previous.view(-1)[places] = symbols
            probs.view(-1)[places] = chances.exp().float()
        revealed = previous != sample
        values = previous, revealed, torch.zeros_like(revealed), previous, probs, model_output
        if not return_dict:
            return values
        names = BlockRefinementSchedulerOutput.__dataclass_fields__
        return BlockRefinementSchedulerOutput(**dict(zip(names, values, strict=True)))

    @staticmethod
    def check_eos_finished(
        cur_x: torch.Tensor,
        sampled_tokens: torch.Tensor,
        final_transfer: torch.Tensor,
        finished: torch.Tensor,
        eos_token_id: int,
        mask_token_id: int,
        prompt_length: int,
    ) -> torch.Tensor:
        """Which rows have ended: those whose end of text has no mask before it.

        A random order may come to the end of text before the tokens on its left, of which diffusers
        asks only in the call that reveals it.

        Parameters
        ----------
        cur_x : Tensor of int64, shape (B, n)
            The rows up to the end of the block, prompt included.
        sampled_tokens, final_transfer
            As for ``BlockRefinementScheduler``; no effect.
        finished : Tensor of bool, shape (B,)
            Which had ended before.
        eos_token_id, mask_token_id : int
            The tokens of the end and of the mask.
        prompt_length : int
            How many tokens of the rows are the prompt, whose own ends of text do not count.

        Returns
        -------
        Tensor of bool, shape (B,)
        """
        made = cur_x[:, prompt_length:]
        known = made.eq(mask_token_id).cumsum(1).eq(0)
        return finished | (known & made.eq(eos_token_id)).any(1)

    def check_block_should_continue(self, step_idx: int, *args: Any, **kwargs: Any) -> bool:
        """Whether a block has masks left that the schedule has not come to.

        Parameters
        ----------
        step_idx : int
            How many calls the block has had.
        *args, **kwargs
            As for ``BlockRefinementScheduler``.

        Returns
        -------
        bool
        """
        done = self._plan is not None and step_idx >= self._plan.calls
        return not done and super().check_block_should_continue(step_idx, *args, **kwargs)

    def _begin_block(
        self,
        sample: torch.Tensor | None,
        mask_id: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        """Draw all that is random about a block; None forgets the last one."""
        self._plan: KnownOrder | None = None
        if sample is None:
            return
        device = "cpu" if generator is None else generator.device
        seed = int(torch.randint(2**62, (), generator=generator, device=device))
        rows, plan = prepare(self.schedule, sample == mask_id, seed, 0, "random")
        self._plan = instance("plan", plan, KnownOrder)
        self._uniforms = torch.from_numpy(rows.uniforms).to(sample.device)
