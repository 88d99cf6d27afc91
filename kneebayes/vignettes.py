"""Textbook cases with their diagnoses, to look at and to try the model on."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from kneebayes.errors import CaseError, UnknownColumnError
from kneebayes.model import ModelFile
from kneebayes.vocabulary import Vocabulary

__all__ = ["Vignette", "vignettes"]


@dataclass(frozen=True)
class Vignette:
    """One case in words and as facts.

    Attributes
    ----------
    case_id, label, narrative : str
        Its name, the diagnosis, and the story.
    facts : dict of str to str
        What is known, in the words that `Model.diagnose` takes.
    """

    case_id: str
    label: str
    narrative: str
    facts: dict[str, str]


def vignettes(model: ModelFile) -> list[Vignette]:
    """Read the cases that ship with kneebayes, as far as a model knows what they tell.

    Parameters
    ----------
    model : ModelFile
        A checked model file.

    Returns
    -------
    list of Vignette
        In the order of the file; none for a model that does not know the
        diagnosis or the complaint they are about.

    Examples
    --------
    >>> from kneebayes.modelfile import model_path, read_model
    >>> vignettes(read_model(model_path("posterior_knee_pain")))[0].label
    'dvt'
    """
    here = Path(__file__).parent
    shipped = here / "vignettes.csv"  # beside this module in a wheel, in data/ of a checkout
    path = shipped if shipped.is_file() else here.parent / "data" / "vignettes.csv"
    vocabulary, found = Vocabulary(model), []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            facts = {name: row[name] for name in vocabulary.columns if row.get(name)}
            if row["label"] not in (*model.causes, "none_of_these") or model.complaint not in row:
                continue
            if all(_readable(vocabulary, name, value) for name, value in facts.items()):
                found.append(Vignette(row["case_id"], row["label"], row["narrative"], facts))
    return found


def _readable(vocabulary: Vocabulary, name: str, value: str) -> bool:
    try:
        vocabulary.code(name, value)
    except (CaseError, UnknownColumnError):
        return False
    return True
