"""One look for every figure: a colour, a marker and a name for each schedule."""

from base64 import b64encode
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from IPython import get_ipython
from IPython.core.pylabtools import retina_figure
from matplotlib.figure import Figure
from matplotlib_inline.backend_inline import set_matplotlib_formats
from PIL import Image

__all__ = ["BOUND", "DPI", "INK", "WIDTH", "light_png", "look", "use"]

# Inches. Shrunk to 360 pixels, the width of a phone, nine points are then eight pixels high.
WIDTH, DPI = 5.5, 120
INK = "#333333"
BOUND = {"color": "#767676", "linewidth": 1.3}

# Mostly Okabe and Ito's colours, which colour-blind readers can tell apart.
_LOOKS = {
    "TC-adaptive": ("#0072B2", "o", "-"),
    "DTC-adaptive": ("#D55E00", "s", "-"),
    "equal": ("#8C8C8C", "^", "-"),
    "cosine": ("#CC79A7", "v", "-"),
    "geometric": ("#B8860B", "P", "-"),
    "best deterministic": ("#000000", "X", "--"),
    "optimal for the profile": ("#333333", "*", ":"),
    "optimal for the truth": ("#333333", "*", ":"),
    "planned": ("#117733", "H", "-"),
    "minimax TC": ("#009E73", "D", "-"),
    "minimax DTC": ("#56B4E9", "d", "-"),
    "minimax both": ("#6A3D9A", "p", "-"),
    "minimax product": ("#8B5A2B", "h", "-."),
    "minimax sum": ("#CC3311", "8", "-."),
    "shifted equal": ("#4D4D4D", "<", "--"),
    "robust": ("#994455", "o", "-"),
    "ancestral": ("#E69F00", ">", "-"),
    "Chen, Cong, Li": ("#882255", "P", "-"),
    "one block": ("#332288", "*", "-"),
    "one block, coins": ("#332288", "H", ":"),
    "best order": ("#AA4499", ">", "-"),
    "dilated groups": ("#DDAA33", "x", "--"),
    "blocks": ("#44AA99", "P", "-"),
    "fewer calls": ("#999933", "v", "--"),
}


def light_png(figure):
    """Draw a figure as the notebook shows it: a PNG at twice its size, in at most 256 colours.

    Lines and letters on white have few colours beside their soft edges. The most common ones stay
    as they are, and of the others none moves by a shade that an eye sees; the file is a third of
    the size.

    Returns
    -------
    tuple of str and dict
        The image in base 64, and the width and the height to show it at, in pixels.
    """
    png, size = retina_figure(figure)
    with Image.open(BytesIO(png)) as image:
        full = image.convert("RGB")
    codes, places, counts = np.unique(
        np.asarray(full).astype(int) @ (1 << 16, 1 << 8, 1), return_inverse=True, return_counts=True
    )
    shades = codes[:, np.newaxis] >> (16, 8, 0) & 255
    spread = full.quantize(128, method=Image.Quantize.MAXCOVERAGE).getpalette()
    palette = np.concatenate([shades[np.argsort(-counts)[:128]], np.reshape(spread, (-1, 3))])
    nearest = ((shades[:, np.newaxis] - palette) ** 2).sum(-1).argmin(1)
    light = Image.fromarray(nearest[places].reshape(full.size[::-1]).astype(np.uint8))
    light.putpalette(palette.astype(np.uint8).tobytes())
    light.save(packed := BytesIO(), "PNG", optimize=True)
    return b64encode(packed.getvalue()).decode("ascii"), size


def use():
    """Set the look of all figures that follow: size, fonts, light opaque background, light PNG."""
    sns.set_theme(
        context="notebook",
        style="whitegrid",
        rc={
            "figure.figsize": (WIDTH, 3.2),
            "figure.dpi": DPI,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 10.5,
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
            "legend.frameon": False,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "text.color": INK,
            "axes.linewidth": 0.8,
            "grid.color": "#E5E5E5",
            "grid.linewidth": 0.7,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "axes.spines.top": False,
            "axes.spines.right": False,
        },
    )
    set_matplotlib_formats()  # none of its own: what shows a figure is `light_png`
    if (shell := get_ipython()) is not None:
        shell.display_formatter.formatters["image/png"].for_type(Figure, light_png)
    plt.rcParams["figure.max_open_warning"] = 0


def look(schedule):
    """Keyword arguments for ``plot``: the label, colour, marker and line of a schedule.

    Parameters
    ----------
    schedule : Schedule, type or str
        A schedule, its class, or its label, such as ``"minimax TC"``.

    Raises
    ------
    ValueError
        If no look is known for it.
    """
    label = schedule if isinstance(schedule, str) else getattr(schedule, "label", None)
    if not isinstance(label, str) or label not in _LOOKS:
        raise ValueError(
            f"schedule must have one of the labels {', '.join(_LOOKS)}, got {schedule!r}"
        )
    color, marker, linestyle = _LOOKS[label]
    return {"label": label, "color": color, "marker": marker, "linestyle": linestyle}
