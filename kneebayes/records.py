"""What gets written down of drawn cases: which cells are left empty, and which cause is named."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import CaseError, UnknownNameError, nearest
from kneebayes.model import ModelFile

__all__ = ["Shares", "Writer"]

Shares = float | tuple[float, float]
Codes = Mapping[str, NDArray[np.int8]]


class Writer:
    """Decides what is written down of cases.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    missing : float or tuple of float
        Share of cells left empty: one for all, or one for risk factors and one
        for findings.
    missing_if : mapping of str to (float or tuple of float), optional
        The same for the cases in which a cause is present; where several of
        them are, each share is the least of theirs.
    label_noise : float
        Share of labels that name another cause than is there.

    Raises
    ------
    CaseError
        If a share is not one.
    UnknownNameError
        If there is no such cause.
    """

    def __init__(
        self,
        model: ModelFile,
        *,
        missing: Shares,
        missing_if: Mapping[str, Shares] | None = None,
        label_noise: float = 0.0,
    ) -> None:
        self.model = model
        self._missing = _pair("missing", missing)
        self._missing_if = {
            _cause(model, cause): _pair(f"missing_if {cause}", share) for cause, share in (missing_if or {}).items()
        }
        if not 0 <= label_noise <= 1:
            raise CaseError(f"label_noise {label_noise}: a share from 0 to 1")
        self._noise = label_noise

    def shares(self, codes: Codes, variable: str) -> NDArray[np.float64]:
        """Say how likely each case's cell of a variable is to be left empty.

        Parameters
        ----------
        codes : dict of str to ndarray of int8, shape (n,)
            State numbers by variable.
        variable : str
            A risk factor or finding.

        Returns
        -------
        ndarray, shape (n,)
            Probabilities.
        """
        kind = int(variable in self.model.findings)
        n = len(codes[variable])
        if not self._missing_if:
            return np.full(n, self._missing[kind])
        least = np.full(n, np.inf)
        for cause, pair in self._missing_if.items():
            least = np.where(codes[cause] > 0, np.minimum(least, pair[kind]), least)
        return np.where(np.isinf(least), self._missing[kind], least)

    def labels(self, codes: Codes, rng: np.random.Generator) -> tuple[NDArray[np.intp], list[str]]:
        """Name a leading cause, one by chance of those that are there, and the others.

        Parameters
        ----------
        codes : dict of str to ndarray of int8, shape (n,)
            State numbers by variable.
        rng : numpy.random.Generator
            The source of chance.

        Returns
        -------
        ndarray of int, shape (n,)
            Place of the leading cause among the causes, or their number for
            ``none_of_these``. A wrong one is any other name, each as likely.
        list of str
            The other causes, joined by ;.
        """
        names = list(self.model.causes)
        present = np.stack([codes[name] > 0 for name in names], axis=1)
        n = len(present)
        leading = np.where(present, rng.random(present.shape), -1.0).argmax(axis=1)
        leading[~present.any(axis=1)] = len(names)
        wrong = rng.random(n) < self._noise
        others = (leading + 1 + (rng.random(n) * len(names)).astype(np.intp)) % (len(names) + 1)
        rest = np.concatenate([present, np.zeros((n, 1), dtype=bool)], axis=1)
        rest[np.arange(n), leading] = False
        leading = np.where(wrong, others, leading)
        rest[np.arange(n), leading] = False
        rest[leading == len(names)] = False
        mask = rest[:, :-1] @ (1 << np.arange(len(names)))
        distinct, place = np.unique(mask, return_inverse=True)
        texts = [";".join(name for bit, name in enumerate(names) if value >> bit & 1) for value in distinct.tolist()]
        return leading, [texts[i] for i in place.tolist()]


def _pair(option: str, shares: Shares) -> tuple[float, float]:
    pair = (shares, shares) if isinstance(shares, int | float) else tuple(shares)
    if len(pair) != 2 or not all(0 <= share <= 1 for share in pair):
        raise CaseError(f"{option} {shares}: one share from 0 to 1, or one for risk factors and one for findings")
    return pair[0], pair[1]


def _cause(model: ModelFile, name: str) -> str:
    if name not in model.causes:
        raise UnknownNameError(f"no cause '{name}': use one of {', '.join(model.causes)}.{nearest(name, model.causes)}")
    return name
