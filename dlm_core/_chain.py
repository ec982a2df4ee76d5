"""A stationary Markov chain: its law, and entropies at a distance.

Given its nearest known neighbours a token of a chain depends on nothing else, and for a stationary
chain only the distances to them count.
"""

import numpy as np
import numpy.typing as npt
import scipy  # loads its parts when first asked for

from dlm_core._check import stochastic, table_fits, work_fits
from dlm_core._types import FloatArray
from dlm_core.information._entropies import entropy_terms

__all__ = ["gap_entropies", "log_stationary"]


def gap_entropies(transition: npt.ArrayLike, length: int) -> FloatArray:
    r"""Return :math:`\eta_d = H(X_d \mid X_0)` for ``d < length``, then :math:`H(X_0)`.

    Shape (length + 1,), in nats: the last entry is that of a neighbour infinitely far, or unknown.
    It is nondecreasing and concave up to rounding, as :math:`\eta_{d+1} - \eta_d =
    I(X_1; X_{d+1} \mid X_0)` falls with ``d``. Cost :math:`O(L q^3)`.

    Raises
    ------
    TypeError, ValueError
        If ``transition`` is no table of laws, not square, or not irreducible; or if the work is
        too much.
    """
    table = stochastic("transition", transition)
    states = len(table)
    if table.shape[1] != states:
        raise ValueError(f"transition must be square, got shape {table.shape}")
    table_fits(f"entropies of a chain of length {length}", 8 * length)
    work_fits(f"a chain of length {length} and {states} states", length * states**3)
    classes, _ = scipy.sparse.csgraph.connected_components(table > 0, connection="strong")
    if classes > 1:
        raise ValueError(
            "transition must lead from every state to every other, so that one stationary law has "
            f"them all, got {classes} classes of states"
        )
    law = np.exp(log_stationary(table))
    entropies = np.zeros(length + 1)
    power = np.eye(states)
    for distance in range(1, length):
        power = power @ table
        entropies[distance] = law @ entropy_terms(power).sum(axis=1)
    entropies[length] = entropy_terms(law).sum()
    return entropies


def log_stationary(transition: FloatArray) -> FloatArray:
    """Return the logarithm of the stationary law of a transition matrix, if it has only one.

    By the elimination of Grassmann, Taksar and Heyman (1985), which subtracts nothing and so
    keeps all digits of small probabilities; in logarithms, so that none becomes zero.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(transition)
    count, of_state = scipy.sparse.csgraph.connected_components(transition > 0, connection="strong")
    start, end = (of_state[states] for states in np.nonzero(transition))
    left = np.unique(start[start != end])
    if count - len(left) > 1:
        raise ValueError("initial must be given: transition has more than one stationary law")
    states = np.flatnonzero(~np.isin(of_state, left))
    logs = logs[np.ix_(states, states)]
    for last in range(len(states) - 1, 0, -1):
        logs[:last, last] -= np.logaddexp.reduce(logs[last, :last])
        through = logs[:last, last, np.newaxis] + logs[last, :last]
        logs[:last, :last] = np.logaddexp(logs[:last, :last], through)
    law = np.full(len(states), -np.inf)
    law[0] = 0.0
    for state in range(1, len(states)):
        law[state] = np.logaddexp.reduce(law[:state] + logs[:state, state])
    result = np.full(len(transition), -np.inf)
    result[states] = law - np.logaddexp.reduce(law)
    return result
