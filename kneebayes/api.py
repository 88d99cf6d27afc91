"""What users call: a loaded model that diagnoses one case, and scores many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from kneebayes.alarm import Thresholds
from kneebayes.bulk import BulkModel
from kneebayes.diagnosis import Diagnosis
from kneebayes.errors import ImpossibleEvidenceError, UnknownNameError
from kneebayes.likelihood import favoured, unsure_posteriors
from kneebayes.modelfile import DEFAULT_MODEL, model_path, read_model

if TYPE_CHECKING:
    from kneebayes.files import Counts

Frame = TypeVar("Frame")

__all__ = ["Model", "import_network", "load_model", "score_file"]


def load_model(model: str | Path | None = None) -> Model:
    """Load a model.

    Parameters
    ----------
    model : str or pathlib.Path, optional
        A path to a model file (anything that ends in .yaml or .yml), or the
        name of one that ships with kneebayes, such as ``extended``; by default
        the article's model.

    Returns
    -------
    Model
        Ready to diagnose and score.

    Raises
    ------
    ModelFileError
        If there is no such model, or the file is inconsistent.

    Examples
    --------
    >>> load_model().causes[-1]
    'dvt'
    """
    if model is None:
        return Model(read_model(model_path(DEFAULT_MODEL)))
    is_path = isinstance(model, Path) or str(model).endswith((".yaml", ".yml"))
    return Model(read_model(model if is_path else model_path(str(model))))


def import_network(path: str | Path, **options: Any) -> Model:
    """Load a network that another program wrote; see `kneebayes.imported.import_model`.

    Parameters
    ----------
    path : str or pathlib.Path
        BIF, XMLBIF, NET, XDSL, UAI or JSON, by extension.
    **options
        ``format``, ``labels``, ``causes``, ``complaint``, ``tolerance``.

    Returns
    -------
    Model
        Ready to diagnose and score; ``file.provenance`` says what could not
        be kept.

    Raises
    ------
    FileFormatError
        If the file can't be read, or its tables are no distributions.
    ModelFileError
        If the network is not risk factors -> causes -> findings with leaky
        noisy-ORs.
    """
    from kneebayes.imported import import_model

    return Model(import_model(path, **options))


def score_file(source: str | Path, target: str | Path, *, model: Model | None = None, **options: Any) -> Counts:
    """Score a file of cases with the default model; see `Model.score_file`.

    Parameters
    ----------
    source, target : str or pathlib.Path
        CSV or Parquet, by extension.
    model : Model, optional
        By default the article's model.
    **options
        As for `Model.score_file`.

    Returns
    -------
    Counts
        Rows read, scored and rejected.
    """
    return (model or load_model()).score_file(source, target, **options)


class Model(BulkModel):
    """A model at work.

    Parameters
    ----------
    file : ModelFile
        A checked model file; see `load_model`.

    Attributes
    ----------
    file : ModelFile
        Everything the model knows, with sources.
    causes : tuple of str
        The names of the causes, in model order.

    Examples
    --------
    >>> model = load_model()
    >>> dx = model.diagnose({"age": 67, "sex": "male", "unilateral_leg_swelling": "present"})
    >>> dx.alarm.level
    'caution'
    """

    def diagnose(
        self,
        case: Mapping[str, object],
        *,
        thresholds: Thresholds | None = None,
        engine: Literal["exact", "pgmpy"] = "exact",
    ) -> Diagnosis:
        """Compute the posterior of each cause, and the alarm, for one case.

        Parameters
        ----------
        case : mapping of str to object
            What is known: state names, or for absent|present variables also
            yes/no, true/false, 1/0; ``age`` in years, ``duration_days`` in
            days. What is not named, or is None, is unknown; only the
            complaint is taken as present. An unsure answer is a mapping of
            states to likelihoods, or text such as ``"present:0.8"``.
        thresholds : Thresholds, optional
            When to warn; by default those of the model file.
        engine : {"exact", "pgmpy"}
            ``"pgmpy"`` asks pgmpy's VariableElimination instead (seconds), to
            check kneebayes by.

        Returns
        -------
        Diagnosis
            Posterior, alarm and red flags.

        Raises
        ------
        UnknownColumnError
            If a name is not a variable or input of the model.
        CaseError
            If a value is not allowed, or values contradict each other.
        ImpossibleEvidenceError
            If the model gives the evidence probability zero.
        UnknownNameError
            If there is no such engine.

        Examples
        --------
        >>> dx = load_model().diagnose({"breathlessness_chest_pain": True, "long_travel": "yes"})
        >>> dx.alarm.level
        'emergency'
        """
        thresholds = thresholds or self._thresholds
        coded = self._coder.case(case)
        posteriors = unsure_posteriors(self.network, coded.codes, coded.unsure)
        codes = favoured(coded.codes, coded.unsure)
        log_evidence = float(posteriors.log_evidence[0])
        if log_evidence == float("-inf"):
            raise ImpossibleEvidenceError(self.scorer.contradiction(codes, 0).reason)
        evidence = {
            name: variable.states[code]
            for (name, variable), code in zip(self.file.variables.items(), coded.codes[:, 0], strict=True)
            if code >= 0
        }
        likelihoods = {self.network.variables[answer.row]: answer.likelihood.tolist() for answer in coded.unsure}
        if engine == "exact":
            values = dict(zip(posteriors.columns, posteriors.values[0].tolist(), strict=True))
        elif engine == "pgmpy":
            values = self._reference.posteriors(evidence, likelihoods)
        else:
            raise UnknownNameError(f"no engine '{engine}': use 'exact' or 'pgmpy'")
        ranked = (*self.causes, "none_of_these")
        flags = self._rules.red_flags(codes)[:, 0]
        causes = posteriors.values[:, : len(self.causes)]
        alarm = self._rules.assess(
            codes, values[self.file.alarm.cause], thresholds, sure=coded.codes, causes=causes, unsure=coded.unsure
        )
        return Diagnosis(
            network=self.network,
            codes=coded.codes,
            unsure=tuple(coded.unsure),
            thresholds=thresholds,
            evidence=evidence | {name: self._coder.text(name, values) for name, values in likelihoods.items()},
            probabilities={name: values[name] for name in ranked},
            details={name: values[name] for name in posteriors.columns if name not in ranked},
            alarm=alarm,
            red_flags=[name for name, raised in zip(self._rules.flags, flags, strict=True) if raised],
            warnings=list(coded.warnings),
            log_evidence=log_evidence,
        )
