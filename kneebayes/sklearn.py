"""A model as a scikit-learn classifier: for pipelines, cross-validation and calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from kneebayes.cases.coding import SYNONYMS
from kneebayes.errors import CaseError, UnknownNameError, nearest
from kneebayes.learn.prevalence import with_prevalence
from kneebayes.model import Model, load_model
from kneebayes.spec.model_spec import ABSENT_PRESENT, NOT_EVIDENCE_PREFIX, ModelSpec

Floats = NDArray[np.float64]
WORDS = {**SYNONYMS, ABSENT_PRESENT[0]: 0, ABSENT_PRESENT[1]: 1}
LEARN = ("prevalence", "numbers", None)


class KneeBayesClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The posteriors of a model with the interface of scikit-learn.

    Parameters
    ----------
    model : Model, str or pathlib.Path, optional
        A model, or what `kneebayes.load_model` takes; by default the article's.
    target : str, optional
        One cause, for a yes-or-no classifier; by default all causes, as a multi-label one.
    learn : {"prevalence", "numbers", None}
        What `fit` changes: how frequent each cause is, by one factor on its leak and links; every leak and link, as
        `kneebayes.learn.fit.fit` does; or nothing.
    prior_weight : float, default 10
        How much the model file counts: against ``"prevalence"`` as so many cases with the complaint; for ``"numbers"``,
        a tenth of it is the ``prior_weight`` of `kneebayes.learn.fit.fit`.
    columns : sequence of str, optional
        What the columns of `X` are where it has no names.
    errors : {"raise", "null"}
        Whether a row that can't be scored raises, or has NaN for its
        probabilities; `predict` has no class for such a row, and raises.

    Attributes
    ----------
    model_ : Model
        The model after `fit`.
    targets_ : tuple of str
        The causes predicted, in the order of the columns.
    classes_ : ndarray, shape (2,) or (targets, 2)
        The two values of `y`, or 0 and 1 for each target.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of str
        Their names, where `X` had names.

    Notes
    -----
    `X` is a table of cases as for `kneebayes.Model.score`: state names,
    yes and no, 1 and 0, numbers for numeric inputs; an empty cell or NaN is
    unknown, never absent. The complaint is taken as present.

    Causes may coexist, so the probabilities of several targets don't add up
    to 1. The network is the model's own: `fit` learns no structure.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"age": [67, 25, 40], "unilateral_leg_swelling": ["yes", None, "no"]})
    >>> clot = KneeBayesClassifier(target="dvt", learn=None).fit(X, [1, 0, 0])
    >>> clot.predict_proba(X).argmax(axis=0).tolist()
    [2, 0]
    """

    def __init__(
        self,
        model: Model | str | Path | None = None,
        *,
        target: str | None = None,
        learn: Literal["prevalence", "numbers"] | None = "prevalence",
        prior_weight: float = 10.0,
        columns: Sequence[Any] | None = None,
        errors: Literal["raise", "null"] = "raise",
    ) -> None:
        self.model = model
        self.target = target
        self.learn = learn
        self.prior_weight = prior_weight
        self.columns = columns
        self.errors = errors

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> KneeBayesClassifier:
        """Take the model up, and shift it to labelled cases.

        Parameters
        ----------
        X : pandas.DataFrame, polars.DataFrame or array, shape (n, columns)
            The cases.
        y : array, shape (n,), or (n, causes)
            For one target: 0 and 1, absent and present, or no and yes. For all: 0 and 1, by cause in model order, or as
            a frame whose columns name the causes. May be left out if nothing is learned.
        sample_weight : array, shape (n,), optional
            How often each case counts; once by default.

        Returns
        -------
        KneeBayesClassifier
            Itself.

        Raises
        ------
        UnknownNameError
            If there is no such target or way to learn.
        UnknownColumnError
            If a column is not one of the model's.
        CaseError
            If a cell is not allowed.
        ValueError
            If `X` or `y` has the wrong shape.
        """
        if self.learn not in LEARN:
            raise UnknownNameError(f"learn='{self.learn}': use one of {LEARN}.{nearest(str(self.learn), LEARN[:2])}")
        if not (self.prior_weight >= 0 and math.isfinite(self.prior_weight)):
            raise CaseError(f"prior_weight {self.prior_weight}: must be 0 or more, and finite")
        # a model of its own, as one that works keeps what it has compiled, and fit must not change its parameters
        model = Model(self.model.file.model_copy()) if isinstance(self.model, Model) else load_model(self.model)
        if self.target is not None and self.target not in model.causes:
            hint = nearest(self.target, model.causes)
            raise UnknownNameError(f"target '{self.target}': {model.file.name} has the causes {model.causes}.{hint}")
        present = self._labels(y, model)
        cases = self._cases(X, reset=True)
        if y is not None:
            check_consistent_length(X, y)
        weights = np.zeros(0)
        if len(present):
            weights = _check_sample_weight(sample_weight, present, dtype=np.float64, ensure_non_negative=True)
        if self.learn == "prevalence":
            alone = model.diagnose({}).probabilities
            seen = weights @ present + self.prior_weight * np.array([alone[name] for name in self.targets_])
            shares = seen / (weights.sum() + self.prior_weight)
            if not ((shares > 0) & (shares < 1)).all():
                off = {name: p for name, p in zip(self.targets_, shares.tolist(), strict=True) if not 0 < p < 1}
                raise CaseError(f"shares {off}: must be over 0 and under 1; a prior_weight over 0 keeps them so")
            by_cause = dict(zip(self.targets_, shares.tolist(), strict=True))
            model = Model(with_prevalence(model.file, by_cause, links=True))
        elif self.learn == "numbers":
            model = Model(self._learned(model.file, cases, present, weights))
        model.score(cases[:1], errors=self.errors)  # refuses columns that are not the model's
        self.model_ = model
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Give the posteriors.

        Parameters
        ----------
        X : pandas.DataFrame, polars.DataFrame or array, shape (n, columns)
            The cases, with the columns of `fit`.

        Returns
        -------
        ndarray
            For one target, shape (n, 2): absent, present. For several, shape (n, targets): P(present) of each.

        Raises
        ------
        CaseError
            If a cell is not allowed, or the model holds a case impossible.
        """
        check_is_fitted(self)
        scored = self.model_.score(self._cases(X, reset=False), errors=self.errors)
        p = np.column_stack([np.asarray(scored[name], dtype=np.float64) for name in self.targets_])
        return p if self.target is None else np.column_stack([1 - p[:, 0], p[:, 0]])

    def predict(self, X: Any) -> NDArray[Any]:
        """Say which causes are more likely present than not.

        Parameters
        ----------
        X
            As for `predict_proba`.

        Returns
        -------
        ndarray
            For one target, shape (n,) of ``classes_``; for several, shape (n, targets) of 0 and 1. To catch what must
            not be missed, lower the threshold: `sklearn.model_selection.FixedThresholdClassifier`.

        Raises
        ------
        CaseError
            If a row can't be scored.
        """
        p = self.predict_proba(X)
        if np.isnan(p).any():
            row = int(np.flatnonzero(np.isnan(p).any(axis=1))[0])
            raise CaseError(f"row {row} can't be scored, so has no class: leave it out, by the NaN of predict_proba")
        if self.target is None:
            return np.asarray(p >= 0.5).astype(int)
        return np.asarray(self.classes_[(p[:, 1] >= 0.5).astype(int)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = self.target is None
        tags.target_tags.multi_output = self.target is None
        tags.target_tags.single_output = self.target is not None
        tags.target_tags.required = self.learn is not None
        tags.classifier_tags.poor_score = True  # the knowledge is in the model file, not in X
        return tags

    def _cases(self, X: Any, *, reset: bool) -> Any:
        """Give X as a frame whose columns have names."""
        if hasattr(X, "columns"):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        cells = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")
        if self.columns is None:
            raise CaseError("X has no column names: give a frame, or say columns=[...]")
        if len(self.columns) != cells.shape[1]:
            raise CaseError(f"X has {cells.shape[1]} columns and columns= names {len(self.columns)}")
        return pd.DataFrame(cells, columns=list(self.columns))

    def _labels(self, y: Any, model: Model) -> NDArray[np.int64]:
        """Read y as 0 and 1 by target, and set what depends on it."""
        self.targets_ = tuple(model.causes) if self.target is None else (self.target,)
        if y is None and self.learn is None:
            self.classes_ = np.array([0, 1]) if self.target else np.tile([0, 1], (len(self.targets_), 1))
            return np.zeros((0, len(self.targets_)), dtype=np.int64)
        if y is None:
            raise ValueError("This KneeBayesClassifier estimator requires y to be passed, but the target y is None.")
        if self.target is not None:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if (kind := type_of_target(y)).startswith("multiclass"):
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}")
        if self.target is not None:
            self.classes_, codes = np.unique(y, return_inverse=True)
            if len(self.classes_) == 1:
                raise ValueError(f"y has one class, {self.classes_.tolist()}: give cases with {self.target} too")
            if self.classes_.dtype.kind not in "biuf" and [WORDS.get(str(c).lower()) for c in self.classes_] != [0, 1]:
                # sorted, 'clot' would come before 'healthy' and be taken for its absence
                said = f"y says {self.classes_.tolist()}, of which none tells which means {self.target}"
                raise ValueError(f"{said}: give absent and present, no and yes, 0 and 1, or y == ...")
            return np.asarray(codes, dtype=np.int64).reshape(-1, 1)
        names = [str(name).removeprefix(NOT_EVIDENCE_PREFIX) for name in getattr(y, "columns", model.causes)]
        for name in names:
            if name not in model.causes:
                raise UnknownNameError(f"y: no cause '{name}' in {model.file.name}.{nearest(name, model.causes)}")
        values = np.asarray(check_array(y, dtype=None, ensure_2d=False))
        if values.ndim != 2 or values.shape[1] != len(names) or not np.isin(values, [0, 1]).all():
            wanted = f"0 and 1, one column for each of {', '.join(names)}; or name one cause as target"
            raise ValueError(f"y must be {wanted}. Received shape {values.shape}")
        self.targets_ = tuple(names)
        self.classes_ = np.tile([0, 1], (len(names), 1))  # two values for each, which scorers take for multi-label
        return np.asarray(values, dtype=np.int64)

    def _learned(self, file: ModelSpec, cases: Any, present: NDArray[np.int64], weights: Floats) -> ModelSpec:
        from kneebayes.learn.fit import fit

        frame = cases.to_pandas() if hasattr(cases, "to_pandas") else cases
        names = [f"{NOT_EVIDENCE_PREFIX}{name}" for name in self.targets_]
        truth = pd.DataFrame(np.array(ABSENT_PRESENT)[present], index=frame.index, columns=names)
        labelled = pd.concat([frame, truth], axis=1)
        return fit(file, labelled, prior_weight=self.prior_weight / 10, progress=False, weights=weights)[0]
