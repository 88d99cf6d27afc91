"""kneebayes: a Bayesian network for pain behind the knee.

Exact posteriors of nine causes and an alarm for deep vein thrombosis, from
whatever is known of a case. A research tool, not a medical device.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kneebayes import plots
    from kneebayes.cases.mapping import CaseMapping
    from kneebayes.diagnosis.alarm import Thresholds
    from kneebayes.diagnosis.diagnosis import Diagnosis
    from kneebayes.errors import CaseError, KneeBayesError, ModelFileError, UnknownColumnError
    from kneebayes.evaluation.evaluate import evaluate
    from kneebayes.model import Model, import_network, load_model, score_file
    from kneebayes.spec.model_spec import LEVELS
    from kneebayes.ui.widget import explore

__version__ = "0.1.0"

__all__ = [
    "LEVELS",
    "CaseError",
    "CaseMapping",
    "Diagnosis",
    "KneeBayesError",
    "Model",
    "ModelFileError",
    "Thresholds",
    "UnknownColumnError",
    "evaluate",
    "explore",
    "import_network",
    "load_model",
    "plots",
    "score_file",
]

_HOME = {
    "LEVELS": "spec.model_spec",
    "CaseError": "errors",
    "CaseMapping": "cases.mapping",
    "Diagnosis": "diagnosis.diagnosis",
    "KneeBayesError": "errors",
    "Model": "model",
    "ModelFileError": "errors",
    "Thresholds": "diagnosis.alarm",
    "UnknownColumnError": "errors",
    "evaluate": "evaluation.evaluate",
    "explore": "ui.widget",
    "import_network": "model",
    "load_model": "model",
    "score_file": "model",
}


def __getattr__(name: str) -> Any:
    # On demand: pandas, matplotlib and anywidget take long to import, and a diagnosis does not wait for them; and the
    # command line is to be stopped in good order while it imports.
    if name == "plots":
        return import_module("kneebayes.plots")
    if name in _HOME:
        found = globals()[name] = getattr(import_module(f"kneebayes.{_HOME[name]}"), name)
        return found
    raise AttributeError(f"module 'kneebayes' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__  # what users are to find, and not the rooms behind it
