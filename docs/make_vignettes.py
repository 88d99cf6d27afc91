"""Write README's table of the vignettes, as evaluated today: ``python docs/make_vignettes.py``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

import kneebayes as kb
from kneebayes.evaluation.evaluate import Evaluation

ROOT = Path(__file__).parent.parent
NOT_CASES = ("alarm", "tags", "certainty", "source", "narrative")
HEAD = "| | right cause first | alarm: sensitivity | alarm: specificity |\n| --- | --- | --- | --- |\n"
TABLE = re.compile(re.escape(HEAD) + r"(?:\|.*\n)+")


def main() -> None:
    """Put the table into README."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    new, n = TABLE.subn(lambda _: table(evaluated()), text)
    if n != 1:
        raise SystemExit(f"{path}: {n} tables that begin with {HEAD.splitlines()[0]!r}; there must be one")
    path.write_text(new, encoding="utf-8")


def evaluated() -> Evaluation:
    """Evaluate the vignettes, with all baselines.

    Returns
    -------
    Evaluation
        What ``kneebayes evaluate data/vignettes.csv --baselines`` prints.
    """
    frame = pd.read_csv(ROOT / "data" / "vignettes.csv")
    return kb.evaluate(kb.load_model(), frame, baselines=True, ignore=NOT_CASES, bootstrap=0)


def table(evaluation: Evaluation) -> str:
    """Write the table.

    Parameters
    ----------
    evaluation : Evaluation
        Of the vignettes.

    Returns
    -------
    str
        Markdown.
    """
    compared = evaluation.comparison
    model, wells, rule = compared.iloc[0], compared.loc["Wells score"], compared.loc["Any symptom"]
    top = evaluation.top.loc["top-1"]
    note = next(note for note in evaluation.notes if note.startswith("Wells score: "))
    scored = re.match(r"Wells score: (\d+ of \d+ items)", note)
    assert scored is not None, note
    points = str(wells["rule"]).removeprefix("at least ").removesuffix(" points")
    rows = [
        ("kneebayes, caution or above", f"{top['right']:.0f} of {top['n']:.0f}", _found(model, limits=True), model),
        (f"Wells score of {points} or more, on the {scored[1]} there", "", _found(wells), wells),
        ("the article's advice: any sign of a clot, or any red flag", "", _found(rule), rule),
    ]
    return HEAD + "".join(
        f"| {name} | {first}{' ' if first else ''}| {found} | {_specificity(row, limits=row is model)} |\n"
        for name, first, found, row in rows
    )


def _found(row: Any, *, limits: bool = False) -> str:
    said = f"{row['true_alarms']:.0f} of {row['cases']:.0f}"
    low, high = row["sensitivity_low"], row["sensitivity_high"]
    return f"{said} (95 % interval {low:.2f} to {high:.2g})" if limits else said


def _specificity(row: Any, *, limits: bool = False) -> str:
    said = f"{row['specificity']:.2f}"
    return f"{said} ({row['specificity_low']:.2f} to {row['specificity_high']:.2f})" if limits else said


if __name__ == "__main__":
    main()
