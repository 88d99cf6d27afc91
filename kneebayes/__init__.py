"""kneebayes: a Bayesian network for pain behind the knee.

Exact posteriors of nine causes and an alarm for deep vein thrombosis, from
whatever is known of a case. A research tool, not a medical device.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kneebayes.diagnosis.alarm import Thresholds
from kneebayes.diagnosis.diagnosis import Diagnosis
from kneebayes.errors import CaseError, KneeBayesError, ModelFileError, UnknownColumnError
from kneebayes.model import Model, import_network, load_model, score_file
from kneebayes.spec.model_spec import LEVELS

if TYPE_CHECKING:
    from kneebayes import plots
    from kneebayes.evaluation.evaluate import evaluate
    from kneebayes.ui.explorer import explore

__version__ = "0.1.0"

__all__ = [
    "LEVELS",
    "CaseError",
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


def __getattr__(name: str) -> Any:
    # On demand: pandas, matplotlib and ipywidgets take long to import, and a diagnosis does not wait for them.
    if name == "plots":
        return import_module("kneebayes.plots")
    if name == "evaluate":
        return import_module("kneebayes.evaluation.evaluate").evaluate
    if name == "explore":
        return import_module("kneebayes.ui.explorer").explore
    raise AttributeError(f"module 'kneebayes' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__  # what users are to find, and not the rooms behind it
