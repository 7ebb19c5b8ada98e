"""The plot of growth: a line for each list, order and filter."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report import RESULTS

NAME = "growth.png"


def draw(sizes: Sequence[int], found: Sequence[Mapping[Any, Any]]) -> None:
    """Write `NAME`: milliseconds of whole calls over the number of streams, both axes logarithmic."""
    import matplotlib as mpl  # noqa: PLC0415 - installed for the benchmarks only

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    measured = [key for key in found[-1] if all(key in one for one in found)]
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for key in measured:
        axes.plot(sizes, [one[key].whole for one in found], color="tab:blue", alpha=0.12, linewidth=1)
    medians = [statistics.median(one[key].whole for key in measured) for one in found]
    axes.plot(sizes, medians, color="tab:red", linewidth=2, marker="o", label="median")
    axes.set(xscale="log", yscale="log", xlabel="streams", ylabel="ms, one call at a time")
    axes.set_title(f"Each of {len(measured)} lists, orders and filters")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.set_yticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(RESULTS / NAME, dpi=110)
    plt.close(figure)
