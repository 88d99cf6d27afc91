"""The model as a pgmpy network: the reference that inference is checked against, and pgmpy's readers and writers.

The only module that touches pgmpy, which takes seconds to import; so it is
imported inside the functions, and nothing on the way to a score calls them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import ImpossibleEvidenceError, ModelFileError
from kneebayes.inference.evidence import UNKNOWN, Evidence
from kneebayes.inference.network import Posteriors
from kneebayes.interop.cpt import Node, model_node
from kneebayes.spec.model_spec import ModelSpec

if TYPE_CHECKING:
    from pgmpy.inference import VariableElimination
    from pgmpy.models import DiscreteBayesianNetwork

NODES_IN_ROW = 10


def to_pgmpy(model: ModelSpec) -> DiscreteBayesianNetwork:
    """Build the pgmpy network of a model, the noisy-ORs written out as whole tables.

    Nodes, states and tables stand in the order of the model file, whatever the hash seed.
    """
    with _quiet_import():
        from pgmpy.factors.discrete import TabularCPD
        from pgmpy.models import DiscreteBayesianNetwork
    states = {name: list(variable.states) for name, variable in model.variables.items()}
    network = DiscreteBayesianNetwork()
    network.name = model.name
    network.add_nodes_from(states)
    for name in states:
        node = model_node(model, name)
        network.add_edges_from((parent, name) for parent in node.parents)
        network.add_cpds(
            TabularCPD(
                name,
                len(states[name]),
                node.table.reshape(len(states[name]), -1),
                evidence=list(node.parents),
                evidence_card=[len(states[parent]) for parent in node.parents],
                state_names={other: states[other] for other in (name, *node.parents)},
            )
        )
    try:
        network.check_model()
    except ValueError as error:
        raise ModelFileError(f"{model.name}: pgmpy refuses the network: {error}") from error
    return network


class Reference:
    """The posteriors of a model through pgmpy's VariableElimination: slow, and written by others.

    ``network`` is the pgmpy network, built once.
    """

    def __init__(self, model: ModelSpec) -> None:
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
        """Compute the posteriors of one case, in one joint query, named as in `kneebayes.inference.network.Posteriors`.

        Nothing is taken as known that is not given, the complaint included. ``likelihoods`` are unsure answers,
        P(what was said | state) by variable: a factor of the network like any other.
        """
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

    def answer(self, case: Evidence, exact: Posteriors) -> Posteriors:
        """Compute the posteriors of one case anew, in the columns of those that exact inference gave."""
        variables = self.model.variables
        names = list(variables)
        known: dict[str, str] = {}
        likelihoods = {names[answer.row]: answer.likelihood.tolist() for answer in case.soft}
        for name, code in zip(names, case.codes[:, 0].tolist(), strict=True):
            left = self.model.events[name][code] if code != UNKNOWN else frozenset[str]()
            if len(left) > 1:
                likelihoods[name] = [float(state in left) for state in variables[name].states]
            known |= dict.fromkeys([name], next(iter(left))) if len(left) == 1 else {}
        values = self.posteriors(known, likelihoods)
        return Posteriors(exact.columns, np.array([[values[name] for name in exact.columns]]), exact.log_evidence)

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
        known = {name: causes[name].states.index(evidence[name]) for name in causes if name in evidence}
        joint[tuple(known.get(name, slice(None)) for name in causes)] = answer if unknown else np.sum(answer)
        return joint

    def _unsure(self, likelihoods: Mapping[str, Sequence[float]]) -> VariableElimination:
        """Make an engine whose network has a further factor for each unsure answer."""
        from pgmpy.factors.discrete import DiscreteFactor

        markov = self._markov.copy()
        for name, likelihood in likelihoods.items():
            states = {name: list(self.model.variables[name].states)}
            markov.add_factors(DiscreteFactor([name], [len(likelihood)], list(likelihood), state_names=states))
        return type(self._engine)(markov)


def pgmpy_text(model: ModelSpec, format: str) -> str:
    """Write the network of a model through one of pgmpy's writers that keep names and numbers: bif, xmlbif, xdsl."""
    network = to_pgmpy(model)
    with _quiet_import():
        from pgmpy.readwrite import BIFWriter, XDSLWriter, XMLBIFWriter
    if format == "xdsl":
        root = XDSLWriter(network, network_id=model.name).root
        _show_in_xdsl(root, {name: variable.label for name, variable in model.variables.items()})
        ElementTree.indent(root)
        return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
    return str({"bif": BIFWriter, "xmlbif": XMLBIFWriter}[format](network))


def read_pgmpy(text: str, format: str) -> list[Node]:
    """Read a network through one of pgmpy's readers, in the order of the file as far as pgmpy keeps it."""
    with _quiet_import():
        from pgmpy.readwrite import BIFReader, XDSLReader, XMLBIFReader
    readers = {"bif": BIFReader, "xmlbif": XMLBIFReader, "xdsl": XDSLReader}
    network = readers[format](string=text).get_model()
    nodes = []
    for name in network.nodes():
        cpd = network.get_cpds(name)
        nodes.append(Node(name, tuple(cpd.state_names[name]), tuple(cpd.variables[1:]), np.asarray(cpd.values, float)))
    return nodes


def _show_in_xdsl(root: ElementTree.Element, labels: Mapping[str, str]) -> None:
    """Put labels where GeNIe shows them, and nodes in rows: pgmpy repeats identifiers and strews nodes at random."""
    width, height = 72, 48  # as pgmpy has them
    for number, node in enumerate(root.iterfind("extensions/genie/node")):
        x, y = 2 * width * (number % NODES_IN_ROW), 2 * height * (number // NODES_IN_ROW)
        shown = {"name": labels[node.attrib["id"]], "position": f"{x} {y} {x + width} {y + height}"}
        for tag, text in shown.items():
            if (part := node.find(tag)) is not None:
                part.text = text


@contextmanager
def _quiet_import() -> Iterator[None]:
    """Hide what pgmpy 1.1 says about itself while it is imported; drop with pgmpy 1.3."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*pgmpy\.estimators\.StructureScore", FutureWarning)
        yield
