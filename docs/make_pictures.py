"""Draw the pictures of README: ``python docs/make_pictures.py``."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

import kneebayes as kb

HERE = Path(__file__).parent
CASE = {"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": "present"}
PLAIN, ALARM = "#4477aa", "#cc3311"


def draw_posterior(dx: kb.Diagnosis, thresholds: kb.Thresholds) -> Figure:
    """Draw the posterior of one case as bars, most likely first, with the alarm's thresholds."""
    figure, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
    names = sorted(dx.probabilities, key=dx.probabilities.__getitem__)
    alarm = dx.model.alarm.cause
    bars = ax.barh(
        [dx.label(name) for name in names],
        [dx.probabilities[name] for name in names],
        color=[ALARM if name == alarm else PLAIN for name in names],
        height=0.7,
    )
    ax.bar_label(bars, labels=[f"{dx.probabilities[name]:.1%}" for name in names], padding=3, fontsize=9)
    for word, threshold in (("caution", thresholds.caution), ("urgent", thresholds.urgent)):
        ax.axvline(threshold, color=ALARM, linewidth=0.8, linestyle=":", zorder=0)
        ax.annotate(
            f"{word} {threshold:.0%}",
            (threshold, 1),
            xycoords=("data", "axes fraction"),
            xytext=(2, 2),
            textcoords="offset points",
            rotation=30,
            fontsize=8,
            color=ALARM,
        )
    ax.set_xlabel("posterior probability (causes may coexist)")
    ax.set_xlim(0, max(dx.probabilities.values()) * 1.12)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(left=False)
    ax.set_title(f"DVT alarm: {dx.alarm.level}", color=ALARM, loc="right", fontsize=11)
    return figure


if __name__ == "__main__":
    model = kb.load_model()
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "posterior.png"
    own = model.file.alarm.thresholds
    drawn = draw_posterior(model.diagnose(CASE), kb.Thresholds(own["caution"].p, own["urgent"].p))
    drawn.savefig(target, dpi=150, metadata={"Software": None})
