"""Sizes as a table, in the shape that the generation loops in wide use consume."""

from dlm_core._check import MOST_POSITIONS, instance, integer, shown, table_fits
from dlm_core._plan import draw_sizes
from dlm_core._torch import torch
from dlm_core.schedules import Schedule

__all__ = ["num_transfer_tokens"]


def num_transfer_tokens(
    mask_index: torch.Tensor,
    steps: int,
    schedule: str | type[Schedule] | Schedule = "ShiftedEqual",
    *,
    seed: int = 0,
    first_row: int = 0,
) -> torch.Tensor:
    """How many tokens each step of a generation loop reveals in each row.

    In place of ``get_num_transfer_tokens(mask_index, steps)``, which LLaDA, Fast-dLLM and dllm
    call once for the whole sequence or once a block, and whose column ``i`` says how many of the
    masked positions the step ``i`` keeps. With positions kept at random the loop then follows the
    law of the schedule, which is what the theory is about; with positions kept by confidence it
    has the sizes and no more.

    A row depends on its own masks, on ``seed`` and on its number ``first_row + i``: a batch may
    be cut anywhere, and the same call gives the same table. Blocks that are asked for with one
    seed share their random phase. Each has its own law all the same, and the expected error,
    which adds over blocks, is the same; a seed for each block makes them independent.

    Parameters
    ----------
    mask_index : Tensor of bool, shape (B, L)
        True at the masks: of whole sequences, or of the columns of one block.
    steps : int
        The number ``K`` of steps of the loop, at least 1.
    schedule : str or type or Schedule
        A kind of schedule or its name (``Schedule.named``), made for ``L`` positions and ``K``
        steps; or a schedule, of ``K`` steps and at least as many positions as a row has masks. A
        row with fewer masks than positions follows its own ``resized`` schedule
        (``Schedule.sample_rows``), whole.
    seed : int
        Of all randomness, at least 0.
    first_row : int
        Number of the first row.

    Returns
    -------
    Tensor of int64, shape (B, steps)
        On the device of ``mask_index``. Row ``i`` has the sum of its masks: up to ``steps``
        positive sizes, then zeros. These are the sizes that ``generate`` uses for the same rows,
        schedule, seed and numbers.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or out of range, a row has more masks than the schedule
        has positions, or a kind is not made from a length and a number of steps alone.

    Examples
    --------
    >>> masks = torch.tensor([[True] * 8, [False] * 6 + [True] * 2])
    >>> num_transfer_tokens(masks, 3, "Cosine")
    tensor([[1, 3, 4],
            [1, 1, 0]])
    """
    if not isinstance(mask_index, torch.Tensor):
        raise TypeError(
            f"mask_index must be a torch.Tensor of bool, got {shown(mask_index)} of type "
            f"{type(mask_index).__name__}"
        )
    if mask_index.dtype != torch.bool or mask_index.ndim != 2:
        raise TypeError(
            "mask_index must be a tensor of torch.bool with shape (B, L), such as "
            f"tokens == mask_id, got {mask_index.dtype} and shape {tuple(mask_index.shape)}"
        )
    steps = integer("steps", steps, 1, MOST_POSITIONS)
    seed, first_row = integer("seed", seed, 0), integer("first_row", first_row, 0)
    n, width = mask_index.shape
    table_fits(f"mask_index of {n} rows with {steps} steps", 8 * n * steps)
    made = _made(schedule, width, steps)
    masks = mask_index.sum(1).cpu().numpy()
    if masks.max(initial=0) > made.length:
        raise ValueError(
            f"mask_index must have at most as many masks in a row as the schedule has positions, "
            f"{made.length}, got {masks.max()} in row {masks.argmax()}"
        )
    table = torch.zeros(n, steps, dtype=torch.int64)
    sizes = draw_sizes(made, masks, width, seed, first_row)
    table[:, : made.steps] = torch.from_numpy(sizes)
    return table.to(mask_index.device)


def _made(schedule: str | type[Schedule] | Schedule, width: int, steps: int) -> Schedule:
    """The schedule that is meant, of ``steps`` steps or, where there are fewer positions, fewer."""
    if isinstance(schedule, str):
        schedule = Schedule.named(schedule)
    if isinstance(schedule, type) and issubclass(schedule, Schedule):
        length = max(width, 1)
        try:
            return schedule.for_shape(length, min(steps, length))
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"schedule must be a kind that a length and steps make, or a schedule: {error}"
            ) from None
    made = instance("schedule", schedule, Schedule)
    if made.steps != steps:
        raise ValueError(f"schedule must have as many steps as the loop, {steps}, got {made!r}")
    return made
