"""The pictures of the book. Each function draws what it is given and returns a closed figure."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import (
    FixedLocator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    PercentFormatter,
    ScalarFormatter,
)

from bookkit.style import BOUND, INK, WIDTH, look
from dlm_core.schedules import DTCAdaptive, OptimalForProfile, TCAdaptive, measure_weights

__all__ = [
    "before_and_after",
    "windows",
    "levels_worth",
    "certificates",
    "coverage",
    "curves",
    "frontier",
    "gaps",
    "grids_sampled",
    "information_areas",
    "mean_sizes",
    "measured",
    "needed",
    "orders",
    "prices_measured",
    "promises",
    "quality_for_price",
    "rates",
    "residual_ratios",
    "reveal",
    "sandwich",
    "sizes_with_training",
    "staircases",
    "starts",
    "steps",
    "strips",
    "words",
]

# Where a figure shows the two dependence measures themselves, they wear the colours of the
# schedules that are adapted to them.
TC_COLOR = look(TCAdaptive)["color"]
DTC_COLOR = look(DTCAdaptive)["color"]
_BAND = "#D9D9D9"
_CERTIFIED = {"color": "#994455", "marker": "o", "linestyle": "-"}
_ACTUAL = {"color": "#004488", "marker": "s", "linestyle": "--"}
_PLUG_IN = {"color": "#997700", "marker": "^", "linestyle": "-."}
_SOLVED = "#117733"
_WRONG = {"facecolor": "#E5B1B7", "linewidth": 0}
# Networks trained for longer and longer, and the truth.
_OF_TRAINING, _OF_TRUTH = ("#E69F00", "#56B4E9", "#004488"), "#767676"
# What a schedule loses, and what is still to come.
_LOST, _BEFORE = "#B2182B", "#BDBDBD"


def curves(x, panels, *, xlabel, bounds=(), xscale="log", yscale="log"):
    """Lines against a common axis, one panel for each quantity.

    Parameters
    ----------
    x : array_like, shape (n,)
        The common axis.
    panels : dict
        From the label of a vertical axis to ``{schedule class: array of shape (n,)}``. On a
        logarithmic axis zeros are hollow markers in a strip of their own.
    xlabel : str
        Label of the common axis.
    bounds : sequence of (str, array_like)
        Up to two dashed lines in the first panel: name and values.
    xscale, yscale : {"log", "linear"}
        Scales of the axes.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(
        1, len(panels), figsize=(WIDTH, 3.4 if len(panels) == 1 else 3.1), squeeze=False
    )
    for axis, (ylabel, lines) in zip(axes[0], panels.items(), strict=True):
        dense, zeros = len(x) > 60, []
        for kind, values in lines.items():
            values = np.asarray(values, dtype=float)
            shown = values > 0 if yscale == "log" else np.full(values.shape, True)
            style = look(kind)
            if dense and hasattr(kind, "constant"):
                style["marker"] = None
            elif dense:  # teeth, which a line would join over the zeros between them
                style |= {"linestyle": "none", "markersize": 2.5}
            axis.plot(np.asarray(x)[shown], values[shown], **style)
            if not dense and not shown.all():
                zeros.append((np.asarray(x)[~shown], style))
        axis.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
        if axis is axes[0, 0]:
            for (name, values), dashes in zip(bounds, ("--", ":"), strict=False):
                axis.plot(x, values, linestyle=dashes, label=name, **BOUND)
        _strip_of_zeros([axis], [zeros])
    _legend_above(figure)
    return closed(figure)


def information_areas(profiles):
    """Many profiles in two columns, with total and dual total correlation as areas.

    Parameters
    ----------
    profiles : dict
        From a short title to an ``InformationProfile``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = grid(len(profiles), 2, 1.45)
    for axis, (title, profile) in zip(axes.flat, profiles.items(), strict=False):
        h = profile.conditional_entropy
        edges = np.arange(h.size + 1)
        axis.stairs(h, edges, baseline=h[0], fill=True, color=TC_COLOR, alpha=0.35)
        axis.stairs(h, edges, baseline=h[-1], fill=True, color=DTC_COLOR, alpha=0.35)
        axis.stairs(h, edges, baseline=None, color=INK, linewidth=1.8)
        axis.set(ylim=(0, 1.42 * h[0]), xlim=(0, h.size), yticks=[0, round(h[0], 1)])
        axis.set_title(title)
        axis.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axis.grid(visible=False)
        for x, side, name, value, color in [
            (0.02, "left", "TC", profile.total_correlation, TC_COLOR),
            (0.98, "right", "DTC", profile.dual_total_correlation, DTC_COLOR),
        ]:
            words = {"color": color, "transform": axis.transAxes}
            axis.text(x, 0.99, f"{name} {value:.3g}", ha=side, va="top", **words)
    for axis in axes[:, 0]:
        axis.set_ylabel("$h_j$", rotation=0, labelpad=8)
    figure.supxlabel("$j$ tokens known", fontsize="medium")
    return closed(figure)


def mean_sizes(schedule, draws, sigmas=3):
    """Empirical mean size of each iteration with a band, on top of the exact mean.

    Parameters
    ----------
    schedule : Schedule
        Gives the exact means.
    draws : ndarray of int, shape (n, steps)
        Drawn sizes.
    sigmas : float
        Half-width of the band around the empirical mean, in its standard errors.

    Returns
    -------
    matplotlib.figure.Figure
    """
    style = look(schedule)
    iteration = np.arange(1, schedule.steps + 1)
    mean = draws.mean(axis=0)
    band = sigmas * draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    figure, axis = plt.subplots(figsize=(WIDTH, 3.1))
    axis.fill_between(
        iteration,
        mean - band,
        mean + band,
        color=style["color"],
        alpha=0.22,
        linewidth=0,
        label=f"± {sigmas:g} standard errors",
    )
    label = f"{style['label']}, mean of {len(draws):,} draws"
    axis.plot(iteration, mean, color=style["color"], linewidth=0.7, label=label)
    axis.plot(iteration, schedule.mean_sizes, color=INK, linewidth=1.4, label="exact mean")
    axis.set(xlabel="iteration $k$", ylabel="mean unmasking size", xlim=(1, schedule.steps))
    axis.set_ylim(bottom=0)
    axis.legend()
    return closed(figure)


def measured(panels, *, xlabel, ylabel, xscale="log", yscale="log", sigmas=2, lowest=0.0):
    """Measured values with error bars on top of exact lines, one panel for each experiment.

    Parameters
    ----------
    panels : dict
        From a title to ``{name of a look: (x, exact, value, standard_error)}``, four arrays of one
        length.
    xlabel, ylabel : str
        Labels of the axes.
    xscale, yscale : {"log", "linear"}
        Scales of the axes.
    sigmas : float
        Half-length of the error bars, in standard errors.
    lowest : float
        On a logarithmic axis values up to this are hollow markers in a strip of their own.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = grid(len(panels), 2, 2.9, sharey=len(panels) > 1)
    zeros = []
    for axis, (title, lines) in zip(axes.flat, panels.items(), strict=False):
        zeros.append([])
        for name, (x, exact, value, error) in lines.items():
            x, exact, value, error = map(np.asarray, (x, exact, value, error))
            style = look(name)
            label, color = style["label"], style["color"]
            line = (exact > 0) if yscale == "log" else np.full(exact.shape, True)
            axis.plot(x[line], exact[line], color=color, linewidth=1.1, alpha=0.6)
            shown = (value > lowest) if yscale == "log" else np.full(value.shape, True)
            dots = {"color": color, "marker": style["marker"], "linestyle": "none"}
            # a bar that reaches zero would leave a logarithmic axis
            low = np.minimum(sigmas * error, 0.9 * value) if yscale == "log" else sigmas * error
            bars = np.stack([low, sigmas * error])[:, shown]
            axis.errorbar(x[shown], value[shown], yerr=bars, label=label, capsize=2, **dots)
            if not shown.all():
                zeros[-1].append((x[~shown], dots))
        axis.set(title=title, xscale=xscale, yscale=yscale)
        ticks = sorted({value for x, *_ in lines.values() for value in x})
        axis.set_xticks(ticks, [f"{value:,}" for value in ticks])
        axis.set_xticks([], minor=True)
    if lowest > 0:  # when all panels, which share the axis, have their lines
        axes[0, 0].set_ylim(bottom=lowest)
    _strip_of_zeros(axes.flat[: len(panels)], zeros, f"≤ {lowest:g}" if lowest else "0")
    for axis in axes[-1]:
        axis.set_xlabel(xlabel)
    for axis in axes[:, 0]:
        axis.set_ylabel(ylabel)
    _legend_above(figure)
    return closed(figure)


def needed(panels, *, ylabel):
    """A number of iterations against the length, one panel for each distribution.

    Parameters
    ----------
    panels : dict
        From a title to ``{name of a look: (lengths, iterations)}``.
    ylabel : str
        Label of the vertical axes.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = grid(len(panels), 2, 2.4, sharex=True, sharey=True)
    for axis, (title, lines) in zip(axes.flat, panels.items(), strict=False):
        longest = max((lengths for lengths, _ in lines.values()), key=len)
        axis.plot(longest, longest, linestyle=":", label="one token at a time", **BOUND)
        for name, (lengths, iterations) in lines.items():
            axis.plot(lengths, iterations, **look(name))
        axis.set(title=title, xscale="log", yscale="log")
        axis.set_xticks(longest, [f"{length:,}" for length in longest])
        axis.set_xticks([], minor=True)
    for axis in axes[-1]:
        axis.set_xlabel("length $L$")
    for axis in axes[:, 0]:
        axis.set_ylabel(ylabel)
    _legend_above(figure)
    return closed(figure)


def promises(steps, panels, *, columns=2):
    """Constants of schedules against the number of iterations, one panel for each measure.

    Parameters
    ----------
    steps : array_like of int, shape (n,)
        Numbers of iterations.
    panels : dict
        From the measure to ``{name of a look: constants}``, positive and of shape (n,); the first
        lie above the others.
    columns : int
        Panels beside each other.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, 1.3 + 2.2 * rows), squeeze=False, sharex=True
    )
    for axis, (measure, lines) in zip(axes.flat, panels.items(), strict=True):
        for below, (name, values) in enumerate(lines.items()):
            style = {**look(name), "markersize": 4, "linewidth": 1.3, "zorder": 3 - 0.01 * below}
            axis.plot(steps, values, **style)
        axis.set(title=measure, xscale="log", yscale="log")
    for axis in axes[-1]:
        axis.set_xlabel("iterations $K$")
    _legend_above(figure)
    return closed(figure)


def residual_ratios(schedules):
    """What each schedule guarantees at each ``j``: the residual over ``L - j`` and over ``j``.

    Parameters
    ----------
    schedules : sequence of Schedule
        All of one length.

    Returns
    -------
    matplotlib.figure.Figure
    """
    length = schedules[0].length
    j = np.arange(1, length)
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.3))
    titles = (r"$E[W_j]\,/\,(L-j)$: per nat of TC", r"$E[W_j]\,/\,j$: per nat of DTC")
    for axis, weights, title in zip(axes, (length - j, j), titles, strict=True):
        for schedule in schedules:
            ratio = schedule.residual / weights
            style = look(schedule)
            if hasattr(schedule, "constant"):
                style["marker"] = None
            else:  # teeth, which a line would join over the zeros between them
                style |= {"linestyle": "none", "markersize": 3}
            axis.plot(j[ratio > 0], ratio[ratio > 0], **style)
        axis.set(title=title, xlabel="$j$", yscale="log", xlim=(0, length))
    _legend_above(figure)
    return closed(figure)


def reveal(order, compositions):
    """Which positions each iteration reveals, for several compositions of one order.

    Parameters
    ----------
    order : ndarray of int, shape (L,)
        The positions in the order in which they are revealed.
    compositions : dict
        From a title to sizes of shape (K,).

    Returns
    -------
    matplotlib.figure.Figure
    """
    size = (WIDTH, 0.8 + 1.6 * len(compositions))
    figure, axes = plt.subplots(len(compositions), 1, figsize=size, squeeze=False, sharex=True)
    colors = ListedColormap(["#F2F2F2", _BEFORE, INK])
    for axis, (title, sizes) in zip(axes[:, 0], compositions.items(), strict=True):
        when = np.empty(order.size, dtype=int)
        when[order] = np.repeat(np.arange(len(sizes)), sizes)
        step = np.arange(len(sizes))[:, np.newaxis]
        state = (when < step).astype(int) + 2 * (when == step)
        axis.pcolormesh(state, cmap=colors, vmin=0, vmax=2, edgecolors="white", linewidth=0.4)
        axis.invert_yaxis()
        axis.set(title=title, ylabel="iteration", yticks=step[::3, 0] + 0.5)
        axis.set_yticklabels([str(k + 1) for k in step[::3, 0]])
        axis.grid(visible=False)
    axes[-1, 0].set_xlabel("position")
    patches = [
        Patch(facecolor=colors(i), edgecolor=INK, linewidth=0.4, label=name)
        for i, name in enumerate(["masked", "revealed before", "revealed now, independently"])
    ]
    figure.legend(handles=patches, loc="outside upper left", ncols=3, columnspacing=1)
    return closed(figure)


def orders(plans):
    """When each position of a chain is revealed, what it leans on, and what is lost.

    Each position hangs from the later one of its nearest known neighbours. Tokens that are
    revealed at once with none known between them are joined: there dependence is lost.

    Parameters
    ----------
    plans : dict
        From a title to an order, shape (L,), and its sizes, shape (K,).

    Returns
    -------
    matplotlib.figure.Figure
    """
    heights = [len(sizes) + 1 for _, sizes in plans.values()]
    figure, axes = plt.subplots(
        len(plans),
        1,
        figsize=(WIDTH, 0.6 + 0.36 * sum(heights)),
        height_ratios=heights,
        sharex=True,
        squeeze=False,
    )
    for axis, (title, (order, sizes)) in zip(axes[:, 0], plans.items(), strict=True):
        when = np.empty(len(order), dtype=int)
        when[order] = np.repeat(np.arange(1, len(sizes) + 1), sizes)
        for i, step in enumerate(when):
            before, after = np.flatnonzero(when[:i] < step), i + np.flatnonzero(when[i:] < step)
            known = [*before[-1:], *after[:1]]
            if known:
                parent = max(known, key=lambda j: when[j])
                axis.plot([i, parent], [step, when[parent]], color=_BEFORE, lw=0.9, zorder=1)
            following = i + 1 + np.flatnonzero(when[i + 1 :] <= step)[:1]
            if following.size and when[following[0]] == step:
                axis.plot([i, following[0]], [step, step], color=_LOST, lw=2.2, zorder=2)
        axis.scatter(np.arange(when.size), when, s=11, color=INK, zorder=3)
        axis.set(title=title, yticks=range(1, len(sizes) + 1), ylabel="iteration")
        axis.set_ylim(len(sizes) + 0.6, 0.4)
        axis.grid(visible=False)
    axes[-1, 0].set(xlabel="position", xlim=(-1, when.size))
    handles = [
        Line2D([], [], color=_BEFORE, lw=1.4, label="leans on"),
        Line2D([], [], color=_LOST, lw=2.2, label="drawn at once though dependent: lost"),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=2)
    return closed(figure)


def starts(schedules):
    """Start probabilities, and what each schedule pays at every ``j`` for its own measure.

    Parameters
    ----------
    schedules : dict
        From the name of a look to a ``Schedule`` and its measure; all of one length.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.3))
    # Where two lines are one, the earlier stays in view beside the later.
    widths = np.linspace(3.6, 1.2, len(schedules))
    for width, (name, (schedule, measure)) in zip(widths, schedules.items(), strict=True):
        style = {**look(name), "marker": None, "linewidth": width}
        j = np.arange(1, schedule.length)
        axes[0].plot(schedule.start_probabilities, **style)
        axes[1].plot(j, schedule.residual / measure_weights(measure, schedule.length), **style)
    axes[0].set(title="start probability $u_t$", xlabel="$t$")
    axes[1].set(title=r"$E[W_j]\,/\,r_j$", xlabel="$j$")
    axes[1].set_ylim(bottom=0)
    _legend_above(figure)
    return closed(figure)


def frontier(line, points):
    """Pairs of constants that are possible at once, and where schedules stand.

    Parameters
    ----------
    line : ndarray, shape (n, 2)
        Constants for TC and for DTC along the frontier.
    points : dict
        From the name of a schedule to its pair of constants.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 3.8))
    axis.plot(*line.T, color=INK, linewidth=1.6, label="frontier")
    for name, point in points.items():
        style = look(name)
        axis.plot(*point, **{**style, "linestyle": "none", "markersize": 7})
    axis.set(xlabel="constant for TC", ylabel="constant for DTC", xscale="log", yscale="log")
    axis.legend()
    return closed(figure)


def gaps(panels):
    """Expected divergence over orders and sizes, and divergence of the mixture.

    Parameters
    ----------
    panels : dict
        From a title to numbers of iterations, expected divergences and divergences of the
        mixture, each of shape (n,).

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = grid(len(panels), 2, 1.8, sharex=True)
    for axis, (title, (steps, expected, mixture)) in zip(axes.flat, panels.items(), strict=False):
        axis.fill_between(steps, mixture, expected, color=_BAND, linewidth=0)
        axis.plot(steps, expected, "o-", color=INK, label="expected KL")
        axis.plot(steps, mixture, "s--", color=INK, fillstyle="none", label="KL of the mixture")
        axis.set(title=title, ylim=(0, None))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axis in axes[-1]:
        axis.set_xlabel("iterations $K$")
    for axis in axes[:, 0]:
        axis.set_ylabel("nats")
    _legend_above(figure, 2)
    return closed(figure)


def sandwich(x, panels):
    """Constants between their bounds, one panel for each.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Numbers of iterations.
    panels : dict
        From the name of a look to lower bound, value, upper bound and elementary upper bound,
        each of shape (n,).

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 3.2))
    for axis, (name, rows) in zip(axes, panels.items(), strict=True):
        lower, value, upper, elementary = rows
        axis.plot(x, elementary, linestyle="-.", label="elementary bound", **BOUND)
        axis.plot(x, upper, linestyle="--", label="upper bound", **BOUND)
        axis.plot(x, value, **look(name))
        axis.plot(x, lower, linestyle=":", label="lower bound", **BOUND)
        axis.set(xlabel="iterations $K$", ylabel="$K$ times the constant", xscale="log")
        axis.set_ylim(0, 2 * value.max())
    _legend_above(figure)
    return closed(figure)


def rates(x, lines, limits):
    """Constants times ``K`` against ``L / K``, with their limits.

    Parameters
    ----------
    x : ndarray, shape (n,)
        The ratios ``L / K``.
    lines : dict
        From the name of a look to the constant times ``K``, shape (n,).
    limits : dict
        From the name of a look to the abscissae and ordinates of its limiting curve.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 4.2))
    for name, values in lines.items():
        axis.plot(x, values, **look(name))
    for name, (ratio, value) in limits.items():
        shown = (ratio >= x.min()) & (ratio <= x.max())
        style = {"color": look(name)["color"], "linewidth": 3, "alpha": 0.35}
        axis.plot(ratio[shown], value[shown], label=f"{name}, limit", **style)
    axis.set(xlabel="$L / K$", ylabel="$K$ times the constant", xscale="log", yscale="log")
    _legend_above(figure)
    return closed(figure)


def steps(panels, *, xlabel, ylabel):
    """Errors on a logarithmic axis that goes down to zero, each line where it is defined.

    Parameters
    ----------
    panels : dict
        From a title to ``{name of a look: (x, error, label)}``.
    xlabel, ylabel : str
        Labels of the axes.

    Returns
    -------
    matplotlib.figure.Figure
    """
    errors = np.concatenate([line[1] for lines in panels.values() for line in lines.values()])
    # decades from the one that holds the least error to the one that holds the largest
    low, high = np.floor(np.log10([errors[errors > 0].min(), errors.max()])).astype(int)
    marks = (1,) if high - low > 2 else (1, 2, 5)
    ticks = [0, *(m * 10.0**n for n in range(low, high + 1) for m in marks)]
    figure, axes = grid(len(panels), 2, 3.1, sharey=True)
    for axis, (title, lines) in zip(axes.flat, panels.items(), strict=False):
        for name, (x, error, label) in lines.items():
            axis.plot(x, error, **look(name) | {"label": label}, clip_on=False)
        axis.set(title=title, xlabel=xlabel, xscale="log")
        axis.set_yscale("symlog", linthresh=10.0**low, linscale=0.5)
        axis.set_ylim(0, 1.1 * errors.max())
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_locator(FixedLocator(ticks))
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_formatter("{x:g}")
            side.set_minor_formatter(NullFormatter())
    axes[0, 0].set_ylabel(ylabel)
    _legend_above(figure, 2)
    return closed(figure)


def staircases(profile, compositions):
    """The error of fixed sizes as the area between the profile and its staircase.

    Parameters
    ----------
    profile : InformationProfile
        The distribution.
    compositions : dict
        From a title to sizes of shape (K,).

    Returns
    -------
    matplotlib.figure.Figure
    """
    h = profile.conditional_entropy
    edges = np.arange(h.size + 1)
    size = (WIDTH, 0.5 + 1.5 * len(compositions))
    figure, axes = plt.subplots(len(compositions), 1, figsize=size, squeeze=False, sharex=True)
    for axis, (title, sizes) in zip(axes[:, 0], compositions.items(), strict=True):
        stairs = np.repeat(h[np.cumsum(sizes) - sizes], sizes)
        axis.stairs(stairs, edges, baseline=h, fill=True, color=_LOST, alpha=0.35)
        axis.stairs(stairs, edges, baseline=None, color=_LOST, linewidth=1.2)
        axis.stairs(h, edges, baseline=None, color=INK, linewidth=1.8)
        axis.set(title=title, ylabel="$h_j$ in nats", xlim=(0, h.size), ylim=(0, 1.1 * h[0]))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(visible=False)
    axes[-1, 0].set_xlabel("$j$ tokens known")
    return closed(figure)


def words(p, sampled):
    """Probabilities of all words of a binary table, and of the same words as sampled.

    Parameters
    ----------
    p : ndarray, shape (2,) * L
        The true joint table.
    sampled : dict
        From a name to the joint table of a sampler.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = ["".join("AB"[letter] for letter in index) for index in np.ndindex(p.shape)]
    places = np.arange(p.size)
    figure, axis = plt.subplots(figsize=(WIDTH, 2.9))
    axis.bar(places, p.ravel(), color="#C9C9C9", label="data")
    # One marker fits into the other: the two samplers agree on many words.
    marks = zip(sampled.items(), ("o", "s"), ("none", "full"), (8, 4), strict=False)
    for (name, q), marker, fill, size in marks:
        ink = {"color": INK, "fillstyle": fill, "markersize": size}
        axis.plot(places, q.ravel(), marker, label=name, **ink)
    axis.set_xticks(places, names, rotation=90, family="monospace")
    axis.set(ylabel="probability", xlim=(-0.7, p.size - 0.3))
    axis.grid(visible=False, axis="x")
    figure.legend(loc="outside upper left", ncols=3)
    return closed(figure)


def coverage(rows, repetitions, *, nominal=0.95):
    """How often the intervals of the estimators hold the truth, against the sample size.

    Parameters
    ----------
    rows : list of dict
        Each with ``target``, ``quantity`` (``"TC"`` or ``"DTC"``), sample size ``n``, and how many
        estimates were ``given``, ``warned`` and ``held`` the truth. Bands are Wilson's 95 %
        intervals; a hollow marker says that more than half of the estimates came with a warning;
        no marker, that more than half of the samples were refused.
    repetitions : int
        Samples behind each row.
    nominal : float
        What the intervals promise.

    Returns
    -------
    matplotlib.figure.Figure
    """
    targets = list(dict.fromkeys(row["target"] for row in rows))
    figure, axes = grid(len(targets), 3, 1.75, sharex=True, sharey=True)
    for axis, target in zip(axes.flat, targets, strict=False):
        axis.axhline(nominal, color=INK, linewidth=0.9, linestyle="--")
        for quantity, color, marker in [("TC", TC_COLOR, "o"), ("DTC", DTC_COLOR, "s")]:
            shown = [
                (row["n"], row["held"], row["given"], 2 * row["warned"] > row["given"])
                for row in rows
                if (row["target"], row["quantity"]) == (target, quantity)
                and 2 * row["given"] >= repetitions
            ]
            if not shown:
                continue
            n, held, given, warned = map(np.array, zip(*shown, strict=True))
            share = held / given
            middle = (held + 1.92) / (given + 3.84)
            half = 1.96 * np.sqrt(share * (1 - share) / given + 0.96 / given**2)
            half /= 1 + 3.84 / given
            axis.fill_between(n, middle - half, middle + half, color=color, alpha=0.2, linewidth=0)
            axis.plot(n, share, color=color, linewidth=1.2)
            for place, fill in [(~warned, "full"), (warned, "none")]:
                dots = {"color": color, "marker": marker, "markersize": 4, "linestyle": "none"}
                if place.any():  # an unclipped line without points would sit at the origin
                    axis.plot(
                        n[place], share[place], fillstyle=fill, clip_on=False, zorder=3, **dots
                    )
        name, *size = target.split(", ", 1)
        axis.set_title("\n".join([name, *size]), fontsize="small")
        axis.set(xscale="log")
        axis.xaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].set_ylim(top=1.005)
    axes[0, 0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    for axis in axes[-1]:
        axis.set_xlabel("samples $n$")
    for axis in axes[:, 0]:
        axis.set_ylabel("coverage")
    kinds = [
        ("total correlation", TC_COLOR, "o", "full"),
        ("dual total correlation", DTC_COLOR, "s", "full"),
        ("mostly with a warning", INK, "o", "none"),
    ]
    handles = [
        Line2D([], [], color=color, marker=marker, label=label, markersize=4, fillstyle=fill)
        for label, color, marker, fill in kinds
    ]
    handles[-1].set_linestyle("none")
    promised = f"promised: {nominal:.0%}"
    handles.append(Line2D([], [], color=INK, linewidth=0.9, linestyle="--", label=promised))
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return closed(figure)


def strips(members, *, floor):
    """Errors of many schedules, one strip for each distribution.

    Parameters
    ----------
    members : dict
        From a short title to ``{name of a look: error in nats}``.
    floor : float
        The left edge, in nats: what is below it is drawn there, hollow.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 1.8 + 0.5 * len(members)))
    names = dict.fromkeys(name for errors in members.values() for name in errors)
    for place, errors in enumerate(members.values()):
        if place % 2:
            axis.axhspan(place - 0.5, place + 0.5, color="#F4F4F4", zorder=0)
        for rank, (name, error) in enumerate(errors.items()):
            drawn = look(name) | {"linestyle": "none", "clip_on": False, "markersize": 7}
            drawn["fillstyle"] = "full" if error > floor else "none"
            height = place + 0.74 * (rank / max(len(errors) - 1, 1) - 0.5)
            axis.plot(max(error, floor), height, **drawn | {"label": None})
    axis.set(xscale="log", ylim=(len(members) - 0.5, -0.5))
    axis.set_xlim(left=floor)
    axis.set_yticks(range(len(members)), list(members))
    axis.set_xlabel("expected KL in nats")
    axis.grid(visible=False, axis="y")
    handles = [Line2D([], [], **look(n) | {"linestyle": "none", "markersize": 7}) for n in names]
    layout = {"loc": "outside upper left", "ncols": 3, "handletextpad": 0.2}
    figure.legend(handles=handles, columnspacing=1.0, **layout)
    return closed(figure)


def windows(profile, band, schedule, worst):
    """A band with the profile that attains the worst case, beside the residuals of the schedule.

    Parameters
    ----------
    profile : InformationProfile
        The true one.
    band : ProfileBand
    schedule : Schedule
    worst : InformationProfile
        The profile in the band on which the schedule loses most.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, (above, below) = _stacked(2, 2.7)
    edges = np.arange(band.length + 1)
    upper, lower = band.upper_curve, band.lower_curve
    above.stairs(upper, edges, baseline=lower, fill=True, color=_BAND, label="band")
    above.stairs(profile.conditional_entropy, edges, baseline=None, color=INK, label="true profile")
    style = look(schedule)
    shape = {"baseline": None, "color": style["color"], "linestyle": "--"}
    above.stairs(worst.conditional_entropy, edges, label="least favourable", **shape)
    ends = profile.conditional_entropy[band.levels]
    above.plot(band.levels + 0.5, ends, "o", color=INK, markersize=4, label="levels")
    above.set(xlabel="$j$ tokens known", ylabel="$h_j$ in nats", xlim=(0, band.length))
    j = np.arange(1, band.length)
    below.plot(j, schedule.residual, color=style["color"], linewidth=1.2, label="$E[W_j]$")
    falls = worst.increments > 1e-9 * worst.increments.max()
    below.plot(j[falls], schedule.residual[falls], "v", color=INK, label="where the profile falls")
    for level in band.levels[1:-1]:
        below.axvline(level + 0.5, color=BOUND["color"], linewidth=0.8)
    below.set(xlabel="$j$", ylabel="expected residual", xlim=(0, band.length))
    below.set_ylim(bottom=0)
    above.legend(loc="upper right")
    below.legend(loc="lower right")
    return closed(figure)


def levels_worth(panels):
    """What is certified with so many exact levels, between its two bounds and above the optimum.

    Parameters
    ----------
    panels : dict
        From a title to a dictionary with the arrays ``levels``, ``certified``, ``actual``,
        ``above`` and ``below``, and the number ``optimum``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _stacked(len(panels), 2.7)
    for axis, (title, found) in zip(axes, panels.items(), strict=True):
        levels = found["levels"]
        below, above = np.maximum(found["below"], 1e-300), found["above"]
        axis.fill_between(levels, below, above, color=_BAND, label="bounds of the theorem")
        axis.plot(levels, found["certified"], label="certified", **_CERTIFIED)
        axis.plot(levels, found["actual"], label="actual", **_ACTUAL)
        axis.axhline(found["optimum"], label="all of $h$ known", linestyle="--", **BOUND)
        _nats_against(axis, levels, title)
        axis.set(ylim=(0.7 * found["optimum"], 1.3 * np.max(above)))
    return _with_one_legend(figure, axes, "levels measured")


def certificates(panels):
    """Certificates and actual errors against the number of passes, with their spread.

    Parameters
    ----------
    panels : dict
        From a title to the rows of one distribution and one kind of interval, with ``passes``,
        ``certificate``, ``actual`` and ``plug_in`` (each 5 %, 50 % and 95 %), and ``optimum``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _stacked(len(panels), 2.5)
    for axis, (title, rows) in zip(axes, panels.items(), strict=True):
        passes = [row["passes"] for row in rows]
        for key, label, style in (
            ("certificate", "certificate", _CERTIFIED),
            ("actual", "actual, certified schedule", _ACTUAL),
            ("plug_in", "actual, plug-in", _PLUG_IN),
        ):
            low, middle, high = np.transpose([row[key] for row in rows])
            axis.fill_between(passes, low, high, color=style["color"], alpha=0.18, linewidth=0)
            axis.plot(passes, middle, label=label, **style)
        axis.axhline(rows[0]["optimum"], label="all of $h$ known", linestyle="--", **BOUND)
        _nats_against(axis, passes, title)
    return _with_one_legend(figure, axes, "passes a level")


def sizes_with_training(rows, truth, steps):
    """How the curve, the best sizes and what they gain change with training.

    Above the measured curves, one line a network, beside the true one; then the sizes planned on
    them, for which each row of cells is cut where a block ends; below, the price of these sizes,
    and of those for the truth, over that of equal sizes, with two standard errors each way.

    Parameters
    ----------
    rows : list of dict
        Networks of the experiment ``learned_sudoku``.
    truth : InformationProfile
        Of the data.
    steps : int
        One of the experiment's numbers of steps, at which sizes are compared.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = sorted(rows, key=lambda row: row["training"])
    budgets = list(dict.fromkeys(row["training"] for row in rows))
    shades = dict(zip(budgets, _OF_TRAINING, strict=False))
    size = (WIDTH, 8.2)
    figure, axes = plt.subplots(3, 1, figsize=size, height_ratios=(2.3, 0.3 + 0.27 * len(rows), 2))

    known = np.arange(truth.length)
    for row in rows:
        axes[0].plot(known, row["curve"], color=shades[row["training"]], linewidth=1.1)
    axes[0].plot(known, truth.conditional_entropy, color=INK, linestyle="--", linewidth=1.4)
    axes[0].set(xlabel="cells known", ylabel="nats", title="cross-entropy of one more cell")
    axes[0].set_ylim(bottom=0)
    handles = [Line2D([], [], color=shades[n], label=f"{n:,} training steps") for n in budgets]
    handles.append(Line2D([], [], color=INK, linestyle="--", label="the truth"))
    axes[0].legend(handles=handles)

    place_of_steps = list(dict.fromkeys(rows[0]["k"])).index(steps)
    planned = [(row["planned_sizes"][place_of_steps], shades[row["training"]]) for row in rows]
    planned.append((OptimalForProfile(truth, steps).sizes, _OF_TRUTH))
    _cut_strips(axes[1], planned)
    axes[1].set(xlim=(0, truth.length), xlabel="cells, in the order revealed")
    axes[1].set_title(f"best sizes for each curve, $K = {steps}$")

    for label, shift in (("optimal for the truth", -0.1), ("planned", 0.1)):
        place = [*zip(rows[0]["schedule"], rows[0]["k"], strict=True)].index((label, steps))
        beside = [0.04 * (row["repetition"] - rows[-1]["repetition"] / 2) + shift for row in rows]
        axes[2].errorbar(
            [budgets.index(row["training"]) + x for row, x in zip(rows, beside, strict=True)],
            [row["over_equal"][place] for row in rows],
            [2 * row["over_equal_error"][place] for row in rows],
            **look(label) | {"linestyle": "none"},
            capsize=2,
        )
    axes[2].axhline(0, label="equal sizes", **BOUND)
    axes[2].set_xticks(range(len(budgets)), [f"{n:,}" for n in budgets])
    axes[2].set(xlabel="training steps", ylabel="nats")
    axes[2].set_title(f"price over equal sizes, $K = {steps}$")
    axes[2].grid(visible=False, axis="x")
    axes[2].legend()
    return closed(figure)


def _cut_strips(axis, strips):
    """Blocks of given sizes and one colour, a strip below the other."""
    for place, (sizes, color) in enumerate(strips):
        left = np.cumsum([0, *sizes[:-1]])
        axis.barh(place, sizes, 0.8, left, color=color, edgecolor="white", linewidth=1.5)
        for start, cells in zip(left, sizes, strict=True):
            ink = {"color": "white" if color in (_OF_TRAINING[-1], _OF_TRUTH) else "black"}
            axis.text(start + cells / 2, place, cells, ha="center", va="center", **ink)
    axis.set_yticks([])
    axis.invert_yaxis()
    axis.grid(visible=False)


def prices_measured(panels):
    """Prices that a curve gives beside those measured on sequences, with two standard errors.

    Parameters
    ----------
    panels : dict
        From a title to rows of `bookkit.trained.by_setting`, with ``price`` and ``loss``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _stacked(len(panels), 4.6)
    for axis, (title, rows) in zip(axes, panels.items(), strict=True):
        ends = [0.7 * min(row["price"] for row in rows), 1.4 * max(row["price"] for row in rows)]
        axis.plot(ends, ends, **BOUND)
        for label in dict.fromkeys(row["schedule"] for row in rows):
            chosen = [row for row in rows if row["schedule"] == label]
            x, y, across, up = (
                np.array([row[name] for row in chosen])
                for name in ("price", "loss", "price_error", "loss_error")
            )
            # a bar that reaches zero would leave a logarithmic axis
            bars = {
                "xerr": [np.minimum(2 * across, 0.9 * x), 2 * across],
                "yerr": [np.minimum(2 * up, 0.9 * y), 2 * up],
            }
            style = look(label) | {"linestyle": "none"}
            axis.errorbar(x, y, **bars, **style, markersize=4, linewidth=0.8)
        axis.set(title=title, xscale="log", yscale="log", ylabel="nats, by likelihoods")
    return _with_one_legend(figure, axes, "price in nats, by the curve")


def quality_for_price(panels, *, ylabel):
    """The share of good sequences against the price, a line for each schedule as ``K`` grows.

    Parameters
    ----------
    panels : dict
        From a title to rows of `bookkit.trained.by_setting`: networks that differ in the seed of
        their training. Drawn are means over them, with the standard error of these, twice.
    ylabel : str
        What is good.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _stacked(len(panels), 4.6)
    for axis, (title, rows) in zip(axes, panels.items(), strict=True):
        alone = np.mean([row["good_alone"] for row in rows])
        axis.axhline(alone, label="one at a time", linestyle="--", **BOUND)
        for label in dict.fromkeys(row["schedule"] for row in rows):
            points = []
            for k in sorted({row["k"] for row in rows}):
                same = [row for row in rows if (row["schedule"], row["k"]) == (label, k)]
                price = np.array([row["price"] for row in same])
                good = np.array([row["good"] for row in same])
                error = good.std(ddof=1) / len(good) ** 0.5 if len(good) > 1 else 0.0
                points.append((price.mean(), good.mean(), 2 * error))
            x, y, bar = np.transpose(points)
            axis.errorbar(x, y, bar, **look(label), linewidth=1.0, elinewidth=0.8)
        axis.set(title=title, xscale="log", ylabel=ylabel, ylim=(0, None))
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return _with_one_legend(figure, axes, "price in nats")


def grids_sampled(samples, steps):
    """Generated 4x4 Sudokus, a row of grids for each number of steps.

    A cell that repeats a symbol of its row, column or quarter is shaded; a grid without one has
    a thick frame and a tick mark.

    Parameters
    ----------
    samples : array_like of int, shape (len(steps), n, 16)
        Symbols from 0 to 3.
    steps : list of int

    Returns
    -------
    matplotlib.figure.Figure
    """
    samples = np.asarray(samples).reshape(len(steps), -1, 4, 4)
    shape = samples.shape[:2]
    size = (WIDTH, WIDTH * shape[0] / shape[1])
    figure, axes = plt.subplots(*shape, figsize=size, squeeze=False)
    for (row, column), axis in np.ndenumerate(axes):
        grid, wrong = samples[row, column], _repeats(samples[row, column])
        for (i, j), symbol in np.ndenumerate(grid):
            if wrong[i, j]:
                axis.add_patch(Rectangle((j, i), 1, 1, **_WRONG))
            axis.text(j + 0.5, i + 0.54, symbol + 1, ha="center", va="center", fontsize=11)
        for place in range(5):
            width = 1.6 if place % 2 == 0 else 0.5
            axis.plot([place, place], [0, 4], color=INK, linewidth=width)
            axis.plot([0, 4], [place, place], color=INK, linewidth=width)
        if not wrong.any():
            axis.add_patch(Rectangle((-0.2, -0.2), 4.4, 4.4, fill=False, ec=_SOLVED, lw=3))
            axis.text(4.2, -0.25, "✓", ha="right", va="bottom", color=_SOLVED, fontsize=13)
        axis.set(xlim=(-0.3, 4.3), ylim=(4.3, -0.9), aspect="equal")
        axis.set_axis_off()
        if column == 0:
            axis.text(-0.5, 2, f"$K = {steps[row]}$", ha="right", va="center")
    return closed(figure)


def _repeats(grid):
    """Which cells of a 4x4 grid repeat a symbol of their row, column or quarter."""
    i, j = np.indices(grid.shape)
    wrong = np.zeros(grid.shape, dtype=bool)
    for group in (i, j, 2 * (i // 2) + j // 2):
        shared = (group.ravel()[:, None] == group.ravel()) & (grid.ravel()[:, None] == grid.ravel())
        wrong |= (shared.sum(1) > 1).reshape(grid.shape)
    return wrong


def before_and_after(before, after, guesses):
    """The curves of a predictor before it was fine-tuned and after, with their errors.

    Parameters
    ----------
    before, after : list of dict
        Rows of one run of training each, with ``curve`` and ``curve_error``, both of shape (L,).
    guesses : dict
        From a name to the nats a token of what needs no predictor, for lines.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 3.4))
    for label, rows, color in (
        ("as it comes", before, INK),
        ("after Eq. 3", after, _OF_TRAINING[-1]),
    ):
        for row in rows:
            known = np.arange(len(row["curve"]))
            value, error = np.asarray(row["curve"]), np.asarray(row["curve_error"])
            edges = value - 2 * error, value + 2 * error
            axis.fill_between(known, *edges, color=color, alpha=0.2, linewidth=0)
            axis.plot(known, value, color=color, label=label, linewidth=1.4)
            label = None
    for (name, nats), dashes in zip(guesses.items(), ("--", ":", "-."), strict=False):
        axis.axhline(nats, linestyle=dashes, label=name, **BOUND)
    axis.set(xlabel="tokens known", ylabel="nats a token", ylim=(0, None))
    axis.set_xlim(0, len(known) - 1)
    figure.legend(loc="outside upper left", ncols=2)
    return closed(figure)


def _stacked(count, height):
    """Panels one below the other, narrow enough to be read on a phone."""
    size = (WIDTH, height * count)
    figure, axes = plt.subplots(count, 1, figsize=size, squeeze=False)
    return figure, axes[:, 0]


def _nats_against(axis, x, title):
    """Two logarithmic axes, of nats over little more than a decade, with plain numbers."""
    axis.set(title=title, ylabel="nats", xscale="log", yscale="log")
    axis.set_xticks(x, [str(n) for n in x])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.yaxis.set_major_formatter(ScalarFormatter())
    axis.yaxis.set_minor_locator(NullLocator())


def _with_one_legend(figure, axes, xlabel):
    axes[-1].set_xlabel(xlabel)
    _legend_above(figure, 2)
    return closed(figure)


def grid(count, columns, height, **share):
    """Panels of one height in up to ``columns`` columns, below room for a legend."""
    columns = min(columns, count)
    rows = -(-count // columns)
    size = (WIDTH, 0.5 + height * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **share)
    for axis in axes.flat[count:]:
        axis.set_visible(False)
    return figure, axes


def _legend_above(figure, columns=3):
    """One legend for all axes of a figure, with each label once."""
    handles = {
        label: handle
        for axis in figure.axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=columns)


def _strip_of_zeros(axes, zeros, label="0"):
    """Below logarithmic axes of one range, a shaded strip for what such an axis cannot show.

    Each axis has its list of abscissae and styles; each of these has a line of its own.
    """
    if not any(zeros):
        return
    low, high = np.log10(axes[0].get_ylim())
    bottom, share = low - 0.2 * (high - low), 0.2 / 1.2
    decades = np.arange(np.ceil(low), high)
    for axis, lines in zip(axes, zeros, strict=True):
        axis.set_ylim(10**bottom, 10**high)
        axis.axhspan(10**bottom, 10**low, color="#F0F0F0", linewidth=0, zorder=0)
        axis.yaxis.set_major_locator(FixedLocator(10.0 ** decades[:: -(-len(decades) // 6)]))
        axis.yaxis.set_minor_locator(NullLocator())
        place = {"transform": axis.get_yaxis_transform(), "ha": "right", "va": "center"}
        axis.text(-0.015, 10 ** ((bottom + low) / 2), label, fontsize="small", **place)
        for rank, (x, style) in enumerate(lines, start=1):
            hollow = {"linestyle": "none", "fillstyle": "none", "label": None}
            height = np.full(len(x), share * rank / (len(lines) + 1))
            axis.plot(x, height, transform=axis.get_xaxis_transform(), **style | hollow)


def closed(figure):
    # an open figure would be shown a second time by the notebook
    plt.close(figure)
    return figure
