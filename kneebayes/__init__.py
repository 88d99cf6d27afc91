"""kneebayes: a Bayesian network for pain behind the knee.

Exact posteriors of nine causes and an alarm for deep vein thrombosis, from
whatever is known of a case. A research tool, not a medical device.
"""

from typing import TYPE_CHECKING, Any

from kneebayes.diagnosis.alarm import Thresholds
from kneebayes.diagnosis.diagnosis import Diagnosis
from kneebayes.errors import CaseError, KneeBayesError, ModelFileError, UnknownColumnError
from kneebayes.model import Model, import_network, load_model, score_file
from kneebayes.spec.model_spec import LEVELS

if TYPE_CHECKING:
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
    "score_file",
]


def __getattr__(name: str) -> Any:
    if name == "evaluate":  # on demand, as it needs pandas and pyarrow, which a diagnosis does not wait for
        from kneebayes.evaluation.evaluate import evaluate

        return evaluate
    if name == "explore":  # on demand, as only notebooks have ipywidgets
        from kneebayes.ui.explorer import explore

        return explore
    raise AttributeError(f"module 'kneebayes' has no attribute '{name}'")
