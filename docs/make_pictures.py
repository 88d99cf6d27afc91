"""Draw README's case: ``python docs/make_pictures.py``. `docs/make_explorer_picture.py` takes the other picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import kneebayes as kb

HERE = Path(__file__).parent
CASE = {"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": "present"}
SHARE = 0.9  # of the draws, within the intervals


def draw(target: Path) -> None:
    """Draw what `dx.plot` shows of the case, and write down beside the picture what it is of."""
    dx = kb.load_model().diagnose(CASE)
    figure = dx.plot(intervals=SHARE).get_figure(root=True)
    assert figure is not None
    # the numbers go along, so that a test can tell whether the picture is of today's model
    numbers = json.dumps({name: round(p, 3) for name, p in dx.probabilities.items()} | {"alarm": dx.alarm.level})
    figure.savefig(target, dpi=150, metadata={"Software": None, "Description": numbers})


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "posterior.png")
