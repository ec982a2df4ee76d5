"""What is measured of a trained network: what each schedule costs it, and what it makes of it."""

from itertools import product

import numpy as np

from bookkit.labels import schedule
from dlm_core import generate, log_likelihood
from dlm_core.error import price_weights
from dlm_core.information import Estimate
from dlm_core.schedules import Equal, OptimalForProfile

__all__ = ["by_setting", "measured", "settings", "sharpening"]

_PRICED = ("price", "over_equal", "nll", "likelihood", "loss")
_MEASURED = {"schedule", "k", "good", *_PRICED, *(f"{name}_error" for name in _PRICED)}


def settings(labels, steps, curve, truth=None):
    """Schedules to compare on one network.

    Parameters
    ----------
    labels : list of str
        Of `bookkit.schedule`; or ``"planned"``, the best sizes for the measured curve, and
        ``"optimal for the truth"``, those for the profile of the data.
    steps : list of int
        Their numbers of steps.
    curve : EstimatedProfile
        What the sizes are planned on: not that on which they are priced.
    truth : InformationProfile, optional
        The profile of the data.

    Returns
    -------
    list of (str, int, Schedule)
        Label, steps asked for, and the schedule, which has fewer where more do not help.
    """
    made = {
        "planned": curve.optimal,
        "optimal for the truth": lambda k: OptimalForProfile(truth, k),
    }
    return [
        (label, k, made[label](k) if label in made else schedule(label, curve.length, k))
        for label, k in product(labels, steps)
    ]


def measured(network, chosen, curve, tokens, good, generated, seed):
    """What each schedule costs a network: by its curve, on sequences, and to be seen.

    Parameters
    ----------
    network : callable
        A mask predictor.
    chosen : list of (str, int, Schedule)
        See `settings`.
    curve : EstimatedProfile
        Of the network, on sequences on which nothing was planned.
    tokens : Tensor of int64, shape (n, L)
        Further sequences of the data, whose likelihood is measured.
    good : function
        From generated sequences, an array of shape (n, L), to which of them are good, (n,).
    generated : int
        How many to generate with each schedule.
    seed : int
        Of all schedules: they differ in the sizes alone.

    Returns
    -------
    dict
        Lists with an entry for each schedule: ``schedule`` and ``k``, as chosen; by the
        curve ``price``, ``over_equal`` (the price less that of equal sizes) and ``nll``;
        ``likelihood``, the mean of -log q of ``tokens``, and ``loss``, the mean of how much more
        that is than with one token at a time, sequence by sequence; each with its standard error,
        ``..._error``; and ``good``, the share of good ones among those generated.
    """
    alone = log_likelihood(network, Equal(curve.length, curve.length), tokens, seed=seed)
    rows = []
    for label, k, law in chosen:
        equal = Equal(curve.length, k)
        surprise = -log_likelihood(network, law, tokens, seed=seed)
        shown = generate(network, law, generated, seed=seed).tokens.cpu().numpy()
        rows.append(
            {"schedule": label, "k": k, "good": good(shown).mean()}
            | _with_error("price", curve.price(law))
            | _with_error("over_equal", curve.estimate(price_weights(law) - price_weights(equal)))
            | _with_error("nll", curve.nll(law))
            | _with_error("likelihood", _mean(surprise))
            | _with_error("loss", _mean(surprise + alone))
        )
    return {name: [row[name] for row in rows] for name in rows[0]}


def by_setting(rows):
    """Rows of networks as rows of a network and a schedule each.

    Parameters
    ----------
    rows : list of dict
        With the lists that `measured` returns among their entries.

    Returns
    -------
    list of dict
        The entries of `measured`, one of each list, beside all entries of the network's row.
    """
    return [
        row | {name: row[name][i] for name in row if name in _MEASURED}
        for row in rows
        for i in range(len(row["schedule"]))
    ]


def sharpening(network, label, steps, n, seed):
    """The same sequences with more and more steps, from the same order and random numbers.

    Parameters
    ----------
    network : callable
        A mask predictor, with the attribute ``length``.
    label : str
        Of the schedule.
    steps : list of int
        Its numbers of steps.
    n, seed : int
        How many sequences, and the seed of them all.

    Returns
    -------
    ndarray of int64, shape (len(steps), n, L)
    """
    laws = [schedule(label, network.length, k) for k in steps]
    return np.stack([generate(network, law, n, seed=seed).tokens.cpu().numpy() for law in laws])


def _mean(draws):
    return Estimate(float(draws.mean()), float(draws.std() / len(draws) ** 0.5), len(draws))


def _with_error(name, estimate):
    return {name: estimate.value, f"{name}_error": estimate.standard_error}
