"""Draw the picture of README: ``python docs/make_pictures.py``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

import kneebayes as kb

HERE = Path(__file__).parent
CASE = {"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": "present"}
IN_WORDS = "A man of 67, after a long journey, with one leg swollen"
PLAIN, ALARM = "#4477aa", "#cc3311"


def draw_posterior(dx: kb.Diagnosis, title: str) -> Figure:
    """Draw the posterior of one case as bars, most likely first, with the thresholds of the alarm."""
    figure, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
    names = sorted(dx.probabilities, key=dx.probabilities.__getitem__)
    values = [dx.probabilities[name] for name in names]
    row = names.index(dx.model.alarm.cause)
    thresholds = {word: number.p for word, number in dx.model.alarm.thresholds.items()}
    places, said = list(values), [f"{value:.1%}" for value in values]
    places[row] = max(values[row], *thresholds.values())
    said[row] += f"  alarm: {dx.alarm.level} ({', '.join(f'{word} from {p:.0%}' for word, p in thresholds.items())})"
    ax.barh(range(len(names)), values, height=0.7, color=[ALARM if i == row else PLAIN for i in range(len(names))])
    for i, (place, text) in enumerate(zip(places, said, strict=True)):
        ax.annotate(text, (place, i), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
    ax.vlines(list(thresholds.values()), row - 0.45, row + 0.45, color="black", linewidth=1)
    ax.set_yticks(range(len(names)), [dx.label(name) for name in names])
    ax.set_xlabel("posterior probability (causes may coexist)")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set_xlim(0, max(values) * 1.12)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(axis="y", left=False)
    ax.set_title(title, loc="left", fontsize=11)
    return figure


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "posterior.png"
    dx = kb.load_model().diagnose(CASE)
    numbers = json.dumps({name: round(p, 3) for name, p in dx.probabilities.items()})
    # the numbers go along, so that a test can tell whether the picture is of today's model
    draw_posterior(dx, IN_WORDS).savefig(target, dpi=150, metadata={"Software": None, "Description": numbers})
