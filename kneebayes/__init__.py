"""kneebayes: a Bayesian network for pain behind the knee.

Exact posteriors of nine causes and an alarm for deep vein thrombosis, from
whatever is known of a case. A research tool, not a medical device.
"""

from kneebayes.alarm import LEVELS, Thresholds
from kneebayes.api import Model, load_model, score_file
from kneebayes.diagnosis import Diagnosis
from kneebayes.errors import CaseError, KneeBayesError, ModelFileError, UnknownColumnError

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
    "load_model",
    "score_file",
]
