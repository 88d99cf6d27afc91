"""The model as a pgmpy network: the reference that inference is checked against, and the door to exchange formats.

The only module that touches pgmpy, which takes seconds to import; so it is
imported inside the functions, and nothing on the way to a score calls them.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import (
    CaseError,
    FileFormatError,
    ImpossibleEvidenceError,
    ModelFileError,
    UnknownNameError,
    nearest,
)
from kneebayes.model import ModelFile
from kneebayes.noisyor import conditional_table

if TYPE_CHECKING:
    from pgmpy.inference import VariableElimination
    from pgmpy.models import DiscreteBayesianNetwork

__all__ = ["Reference", "export", "query_pgmpy", "to_pgmpy"]

COLUMN_TOLERANCE = 1e-9  # pgmpy's own check_model() lets columns pass that miss 1 by 0.01
MAX_TABLE_NUMBERS = 1 << 24  # 128 MiB in one table; the article's model has at most a few thousand numbers


def to_pgmpy(model: ModelFile) -> DiscreteBayesianNetwork:
    """Build the pgmpy network of a model.

    Nodes, states and tables stand in the order of the model file, whatever
    the hash seed. The noisy-ORs are written out as whole tables.

    Parameters
    ----------
    model : ModelFile
        A checked model file.

    Returns
    -------
    pgmpy.models.DiscreteBayesianNetwork
        A network that passes ``check_model()`` and whose columns sum to 1
        within 1e-9.

    Raises
    ------
    ModelFileError
        If a table does not sum to 1, or a variable has so many parents that
        its whole table would not fit.

    Examples
    --------
    >>> from kneebayes.modelfile import model_path, read_model
    >>> network = to_pgmpy(read_model(model_path("posterior_knee_pain")))
    >>> network.check_model()
    True
    """
    with _quiet_import():
        from pgmpy.factors.discrete import TabularCPD
        from pgmpy.models import DiscreteBayesianNetwork
    states = {name: list(variable.states) for name, variable in model.variables.items()}
    network = DiscreteBayesianNetwork()
    network.name = model.name
    network.add_nodes_from(states)
    for name in states:
        parents, table = _checked_table(model, name)
        network.add_edges_from((parent, name) for parent in parents)
        network.add_cpds(
            TabularCPD(
                name,
                len(states[name]),
                table.reshape(len(states[name]), -1),
                evidence=list(parents),
                evidence_card=[len(states[parent]) for parent in parents],
                state_names={node: states[node] for node in (name, *parents)},
            )
        )
    try:
        network.check_model()
    except ValueError as error:
        raise ModelFileError(f"{model.name}: pgmpy refuses the network: {error}") from error
    return network


class Reference:
    """The posteriors of a model through pgmpy's VariableElimination: slow, and written by others.

    Parameters
    ----------
    model : ModelFile
        A checked model file.

    Attributes
    ----------
    network : pgmpy.models.DiscreteBayesianNetwork
        The network, built once.

    Examples
    --------
    >>> from kneebayes.modelfile import model_path, read_model
    >>> reference = Reference(read_model(model_path("posterior_knee_pain")))
    >>> posterior = reference.posteriors({"posterior_knee_pain": "present", "bakers_cyst": "intact"})
    >>> round(posterior["bakers_cyst"], 9), posterior["bakers_cyst_ruptured"], posterior["none_of_these"]
    (1.0, 0.0, 0.0)
    """

    def __init__(self, model: ModelFile) -> None:
        with _quiet_import():
            from pgmpy.inference import VariableElimination
        self.model = model
        self.network = to_pgmpy(model)
        # As a Bayesian network, pgmpy drops every table whose variables are all observed, and normalises: a pregnant
        # man would get a posterior. As a Markov network it keeps all, and its answer sums to P(evidence).
        self._markov = self.network.to_markov_model()
        self._engine = VariableElimination(self._markov)

    def posteriors(
        self, evidence: Mapping[str, str], likelihoods: Mapping[str, Sequence[float]] | None = None
    ) -> dict[str, float]:
        """Compute the posteriors of one case, in one joint query.

        Parameters
        ----------
        evidence : mapping of str to str
            State by variable, of any kind. Nothing is taken as known that is
            not given, the complaint included.
        likelihoods : mapping of str to sequence of float, optional
            Unsure answers: P(what was said | state) by variable, a factor of
            the network like any other.

        Returns
        -------
        dict of str to float
            Named and ordered as the columns of `kneebayes.inference.Posteriors`:
            P(cause not absent) of each cause, P(all absent) as
            ``none_of_these``, then ``<cause>_<state>`` for the third state on.

        Raises
        ------
        UnknownNameError
            If the model has no such variable.
        CaseError
            If a variable has no such state.
        ImpossibleEvidenceError
            If the model gives the evidence probability zero.
        """
        self._check(evidence)
        joint = self._joint(evidence, likelihoods or {})
        total = float(joint.sum())
        if not total > 0:
            known = ", ".join(f"{name}={state}" for name, state in evidence.items())
            raise ImpossibleEvidenceError(f"the model holds this evidence impossible, all of it together: {known}")
        joint /= total
        axes = range(joint.ndim)
        margins = [joint.sum(axis=tuple(other for other in axes if other != axis)) for axis in axes]
        causes = self.model.causes.items()
        return {
            **{name: float(margin[1:].sum()) for name, margin in zip(self.model.causes, margins, strict=True)},
            "none_of_these": float(joint[(0,) * joint.ndim]),
            **{
                f"{name}_{state}": float(p)
                for (name, cause), margin in zip(causes, margins, strict=True)
                for state, p in zip(cause.states[2:], margin[2:], strict=True)
            },
        }

    def _joint(self, evidence: Mapping[str, str], likelihoods: Mapping[str, Sequence[float]]) -> NDArray[np.float64]:
        """P(evidence, joint state of the causes), one axis per cause, zero off the states of observed causes."""
        causes, engine = self.model.causes, self._unsure(likelihoods) if likelihoods else self._engine
        unknown = [name for name in causes if name not in evidence]
        # pgmpy must be asked for something: where all causes are observed, any other variable, summed out below.
        asked = unknown or [name for name in self.model.variables if name not in evidence][:1]
        if asked:
            answer = engine.query(asked, evidence=dict(evidence), joint=True, show_progress=False).values
        else:
            answer = math.prod(cpd.get_value(**{n: evidence[n] for n in cpd.variables}) for cpd in self.network.cpds)
        joint = np.zeros([len(cause.states) for cause in causes.values()])
        known = tuple(
            cause.states.index(evidence[name]) if name in evidence else slice(None) for name, cause in causes.items()
        )
        joint[known] = answer if unknown else np.sum(answer)
        return joint

    def _unsure(self, likelihoods: Mapping[str, Sequence[float]]) -> VariableElimination:
        """Make an engine whose network has a further factor for each unsure answer."""
        from pgmpy.factors.discrete import DiscreteFactor

        markov = self._markov.copy()
        for name, likelihood in likelihoods.items():
            states = {name: list(self.model.variables[name].states)}
            markov.add_factors(DiscreteFactor([name], [len(likelihood)], list(likelihood), state_names=states))
        return type(self._engine)(markov)

    def _check(self, evidence: Mapping[str, str]) -> None:
        variables = self.model.variables
        for name, state in evidence.items():
            if name not in variables:
                hint = nearest(name, variables) or " The model's variables are its risks, causes and findings."
                raise UnknownNameError(f"the model has no variable '{name}'.{hint}")
            allowed = variables[name].states
            if state not in allowed:
                raise CaseError(f"{name}: '{state}' is not among {list(allowed)}.{nearest(state, allowed)}")


def query_pgmpy(model: ModelFile, evidence: Mapping[str, str]) -> dict[str, float]:
    """Compute the posteriors of one case through pgmpy's VariableElimination.

    Builds the network anew; for several cases keep a `Reference`.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    evidence : mapping of str to str
        State by variable, as for `Reference.posteriors`.

    Returns
    -------
    dict of str to float
        As from `Reference.posteriors`, whose errors it raises too.
    """
    return Reference(model).posteriors(evidence)


def export(model: ModelFile, path: str | os.PathLike[str], format: Literal["bif"] = "bif") -> None:
    """Write the network in an exchange format.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    path : str or path-like
        Where to write; an existing file is replaced, whole or not at all.
    format : str
        ``"bif"``: the Bayesian interchange format, numbers in full precision.

    Raises
    ------
    UnknownNameError
        If the format is not one of these.
    FileFormatError
        If the file can't be written.
    """
    writers = {"bif": _bif}
    if format not in writers:
        raise UnknownNameError(f"no export format '{format}', only {list(writers)}.{nearest(format, writers)}")
    _write_whole(Path(path), writers[format](to_pgmpy(model)))


def _checked_table(model: ModelFile, name: str) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Conditional table of one variable, refused if it is too large or does not sum to 1."""
    scope = {name, *_parents(model, name)}
    size = math.prod(len(model.variables[node].states) for node in scope)
    if size > MAX_TABLE_NUMBERS:
        raise ModelFileError(
            f"{model.name}: {name} has {len(scope) - 1} parents, so its whole table needs {size} numbers, over the "
            f"limit of {MAX_TABLE_NUMBERS} for a pgmpy network; kneebayes' own inference does without that table"
        )
    parents, table = conditional_table(model, name)
    off = float(np.abs(table.sum(axis=0) - 1.0).max())
    if not off <= COLUMN_TOLERANCE or table.min() < 0:
        raise ModelFileError(f"{model.name}: {name}: a column of its table is no distribution: off 1 by {off:.3g}")
    return parents, table


def _parents(model: ModelFile, name: str) -> set[str]:
    if name in model.risks:
        return set(model.risks[name].parents)
    node = model.causes[name] if name in model.causes else model.findings[name]
    return {*node.links, *(parent for i in model.interactions if i.target == name for parent in i.when)}


def _bif(network: DiscreteBayesianNetwork) -> str:
    with _quiet_import():
        from pgmpy.readwrite import BIFWriter
    return str(BIFWriter(network))


def _write_whole(path: Path, text: str) -> None:
    """Write a file beside its place and move it there, so that no half of it is ever seen."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with part.open("w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise FileFormatError(f"{path}: can't write the network: {error}") from error


@contextmanager
def _quiet_import() -> Iterator[None]:
    """Hide what pgmpy 1.1 says about itself while it is imported; drop with pgmpy 1.3."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*pgmpy\.estimators\.StructureScore", FutureWarning)
        yield
