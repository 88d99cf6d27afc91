"""How often simulated patients of each Wells class have a clot: ``python tests/benchmarks/wells_classes.py``.

Published, at a prevalence of 19 %: 5, 17 and 53 % (Wells 2006); orthopaedic
outpatients 5.6, 14.1 and 47.4 % (Riddle 2005). The prevalence is set in two
ways: by one factor on leak and links of the clot, which keeps the ratios of
the risks, and by the leak alone. The tenth item, another diagnosis at least as
likely, is a clinician's judgement: left out, or taken from the posterior
itself, as by a clinician who never errs.
"""

from __future__ import annotations

import numpy as np

import kneebayes as kb
from kneebayes.diagnosis.wells import read_sheet
from kneebayes.learn.prevalence import with_prevalence

N, SHARE, SEED = 60_000, 0.19, 1


def main() -> None:
    """Print the table."""
    file = kb.load_model("extended").file
    sheet = read_sheet()
    print(f"{N:,} simulated patients each, P(clot) {SHARE:.0%}; share of patients and mean P(clot) by class")
    for how, shifted in (
        ("leak and links", with_prevalence(file, {"dvt": SHARE}, links=True)),
        ("leak alone", with_prevalence(file, {"dvt": SHARE})),
    ):
        model = kb.Model(shifted)
        drawn = model.simulate(N, seed=SEED, missing=0.0, with_causes=True)
        truth = (drawn["true_dvt"] == "present").to_numpy()
        scored = model.score(drawn.drop(columns="d_dimer"))
        p = scored["dvt"].to_numpy()
        others = scored[[name for name in model.causes if name != "dvt"]].max(axis=1).to_numpy()
        total = np.zeros(N)
        for item in sheet.items.values():
            if item.any_of:
                holds = [drawn[name].isin(states).to_numpy() for name, states in item.any_of.items()]
                total += item.points * np.any(holds, axis=0)
        for tenth, points in (("left out", total), ("by posterior", total - 2 * (others >= p))):
            classes = {"low": points <= 0, "moderate": (points >= 1) & (points <= 2), "high": points >= 3}
            said = "  ".join(
                f"{k} {w.mean():4.0%} {p[w].mean():6.1%} (drawn {truth[w].mean():6.1%})" for k, w in classes.items()
            )
            print(f"{how:15} tenth item {tenth:13} {said}")


if __name__ == "__main__":
    main()
