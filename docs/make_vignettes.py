"""Write README's tables of labelled cases, as evaluated today: ``python docs/make_vignettes.py``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

import kneebayes as kb
from kneebayes.evaluation.card import case_shares
from kneebayes.evaluation.evaluate import Evaluation
from kneebayes.evaluation.expectations import rank_cases

ROOT = Path(__file__).parent.parent
NOT_CASES = ("alarm", "tags", "certainty", "source", "narrative")
HEAD = "| | right cause first | alarm: sensitivity | alarm: specificity |\n| --- | --- | --- | --- |\n"
SHARES = {
    "right cause first": "right cause first",
    "right cause among three": "among three",
    "clots at caution or above": "clots told caution or more",
    "caution or above without a clot": "others told so",
}
HEAD_BY_MODEL = f"| | {' | '.join(SHARES.values())} |\n|{' --- |' * (1 + len(SHARES))}\n"
CASES = {"vignettes": "25 textbook", "published_cases": "52 published"}
MODELS = {"posterior_knee_pain": "the article's model", "posterior_knee_pain_extended": "the clinical one"}


def main() -> None:
    """Put the tables into README."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    for head, lines in ((HEAD, table(evaluated())), (HEAD_BY_MODEL, by_model())):
        found = re.findall(re.escape(head) + r"(?:\|.*\n)+", text)
        if len(found) != 1:
            raise SystemExit(f"{path}: {len(found)} tables that begin with {head.splitlines()[0]!r}; there must be one")
        text = text.replace(found[0], lines)
    path.write_text(text, encoding="utf-8")


def by_model() -> str:
    """Write how both models do on all labelled cases.

    Returns
    -------
    str
        Markdown.
    """
    rows = []
    for name, said in MODELS.items():
        model = kb.load_model(name)
        for file, ranks in rank_cases(model).groupby(level="file", sort=False):
            shares = case_shares(ranks, model.file.alarm.cause)
            told = [f"{k} of {n} ({low:.2f} to {high:.2f})" for k, n, low, high in (shares[what] for what in SHARES)]
            rows.append(f"| {said}, {CASES[str(file)]} | {' | '.join(told)} |\n")
    return HEAD_BY_MODEL + "".join(rows)


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
