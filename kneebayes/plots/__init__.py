"""Plots of a case, the network, sensitivity and many cases: each takes a result, draws into Axes and returns them."""

from kneebayes.plots.case import plot_curves, plot_explanation, plot_posterior, plot_questions, plot_tornado
from kneebayes.plots.cohort import (
    EvaluationPlots,
    plot_alarm_levels,
    plot_calibration,
    plot_cases,
    plot_decision_curve,
    plot_roc,
)
from kneebayes.plots.network import plot_network

__all__ = [
    "EvaluationPlots",
    "plot_alarm_levels",
    "plot_calibration",
    "plot_cases",
    "plot_curves",
    "plot_decision_curve",
    "plot_explanation",
    "plot_network",
    "plot_posterior",
    "plot_questions",
    "plot_roc",
    "plot_tornado",
]
