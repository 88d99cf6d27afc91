"""Numbers from cases and cases from numbers.

Public: `fit` and its `FitReport` (`fit`), `with_prevalence` (`prevalence`), `simulate` and `template` (`simulate`),
the posterior predictive `check` (`check`). `Model` offers all of them.
"""
