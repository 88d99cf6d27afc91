"""A model and what can be made of it: its compiled parts, other models, simulated cases, other formats."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kneebayes.alarm import AlarmRules, Thresholds
from kneebayes.evidence import Coder
from kneebayes.inference import Network
from kneebayes.model import ModelFile

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from pgmpy.models import DiscreteBayesianNetwork

    from kneebayes.fhir import Version
    from kneebayes.fitreport import FitReport
    from kneebayes.network import Reference
    from kneebayes.scoring import Scorer

__all__ = ["Workbench"]


class Workbench:
    """A model that can be compiled, shifted, fitted, checked, simulated from and written down.

    Parameters
    ----------
    file : ModelFile
        A checked model file.
    """

    def __init__(self, file: ModelFile) -> None:
        self.file = file
        self.fit_report: FitReport | None = None
        self.causes = tuple(file.causes)

    def __repr__(self) -> str:
        f = self.file
        return (
            f"<kneebayes model {f.name} {f.version}: {len(f.risks)} risk factors, "
            f"{len(f.causes)} causes, {len(f.findings)} findings>"
        )

    @cached_property
    def network(self) -> Network:
        """The compiled model."""
        return Network(self.file)

    @cached_property
    def scorer(self) -> Scorer:
        """The compiled model with its coding of tables and its alarm."""
        from kneebayes.scoring import Scorer  # here, so that a single case need not wait for pyarrow

        return Scorer(self.network)

    @cached_property
    def _coder(self) -> Coder:
        return Coder(self.file)

    @cached_property
    def _rules(self) -> AlarmRules:
        return AlarmRules(self.network)

    @cached_property
    def _reference(self) -> Reference:
        from kneebayes.network import Reference  # here, because pgmpy takes seconds to import

        return Reference(self.file)

    @cached_property
    def _thresholds(self) -> Thresholds:
        return Thresholds.of(self.file)

    def simulate(self, n: int, *, seed: int, **options: Any) -> pd.DataFrame:
        """Draw cases from the model; see `kneebayes.simulation.simulate`.

        Parameters
        ----------
        n : int
            Number of cases.
        seed : int
            Seed of the draw.
        **options
            ``missing`` (share of cells left empty), ``with_causes``.

        Returns
        -------
        pandas.DataFrame
            One case per row, in the form that `score` takes.
        """
        from kneebayes.simulation import simulate

        return simulate(self.file, n, seed=seed, **options)

    def with_prevalence(self, prevalence: Mapping[str, float], *, links: bool = False) -> Self:
        """Shift the model to the prevalences of another clinic; see `kneebayes.recalibration.with_prevalence`.

        Parameters
        ----------
        prevalence : mapping of str to float
            P(cause | the complaint alone), for some causes.
        links : bool
            Whether the links to these causes change with their leaks, so that
            their risk factors tell as much as before: right for people who
            were referred because of the cause.

        Returns
        -------
        Model
            With other leaks, or leaks and links, and otherwise as this one.

        Examples
        --------
        >>> from kneebayes.api import load_model
        >>> model = load_model().with_prevalence({"dvt": 0.12, "meniscal_tear": 0.3})
        >>> round(model.diagnose({}).probabilities["dvt"], 9)
        0.12
        """
        from kneebayes.recalibration import with_prevalence

        return type(self)(with_prevalence(self.file, prevalence, links=links))

    def plausible(self, *, seed: int) -> Self:
        """Draw all numbers anew from their plausible ranges; see `kneebayes.draws.plausible`.

        Parameters
        ----------
        seed : int
            Of the draw.

        Returns
        -------
        Model
            A world in which the model is wrong as far as its ranges allow, to
            simulate from and to try the model on.

        Examples
        --------
        >>> from kneebayes.api import load_model
        >>> model = load_model()
        >>> cases = model.plausible(seed=1).simulate(10, seed=1)
        >>> len(model.score(cases))
        10
        """
        from kneebayes.draws import plausible

        return type(self)(plausible(self.file, seed=seed))

    def fit(self, frame: Any, **options: Any) -> Self:
        """Let cases move the leaks, links and splits; see `kneebayes.learning.fit`.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
            Cases as for `score`, any of them labelled by ``label`` and
            ``also`` or ``true_<cause>``.
        **options
            ``prior_weight`` (1 as sure as the ranges say, 0 not at all),
            ``risk_factors``, ``label``, ``ignore``, ``max_steps``,
            ``tolerance``, ``progress``.

        Returns
        -------
        Model
            A model like any other; every fitted number says so. Its
            ``fit_report`` says how the fit went, and what moved.
        """
        from kneebayes.learning import fit

        file, report = fit(self.file, frame, **options)
        fitted = type(self)(file)
        fitted.fit_report = report
        return fitted

    def check(self, frame: Any, **options: Any) -> pd.DataFrame:
        """Find what the model misjudges in cases: see `kneebayes.checking.check`.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
            Cases as for `score`.
        **options
            ``pairs``, ``labels``, ``least``, ``ignore``.

        Returns
        -------
        pandas.DataFrame
            Findings and pairs of findings, observed and expected, with a
            z-score each, the most misjudged first.
        """
        from kneebayes.checking import check

        return check(self.network, frame, **options)

    def plot_network(self, *, focus: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw risk factors, causes and findings; see `kneebayes.networkplot.plot_network`.

        Parameters
        ----------
        focus : str, optional
            A cause to draw alone, with what is linked to it.
        ax : matplotlib.axes.Axes, optional
            Where to; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            An arrow is as wide as its link is strong.
        """
        from kneebayes.networkplot import plot_network

        return plot_network(self.file, focus=focus, ax=ax)

    def save(self, path: str | Path) -> None:
        """Write the model to a file that `load_model` reads back.

        Parameters
        ----------
        path : str or pathlib.Path
            Ends in .yaml or .yml.
        """
        from kneebayes.modeltext import write_model

        write_model(self.file, path)

    def to_pgmpy(self) -> DiscreteBayesianNetwork:
        """Write the model as a pgmpy network.

        Returns
        -------
        pgmpy.models.DiscreteBayesianNetwork
            With every conditional table in full.
        """
        from kneebayes.network import to_pgmpy

        return to_pgmpy(self.file)

    def export(self, path: str | Path, format: str | None = None) -> list[Path]:
        """Write the network for other programs; see `kneebayes.exchange.export`.

        Parameters
        ----------
        path : str or pathlib.Path
            Where to write.
        format : {"bif", "xmlbif", "net", "xdsl", "uai", "json"}, optional
            By default what the ending of the path says.

        Returns
        -------
        list of pathlib.Path
            The file, and its sidecar of labels where the format has no room
            for them.
        """
        from kneebayes.exchange import export

        return export(self.file, path, format)

    def to_fhir_questionnaire(self, version: Version = "R5") -> Any:
        """Write the questions as a FHIR Questionnaire; see `kneebayes.fhir.questionnaire`.

        Parameters
        ----------
        version : {"R5", "R4B"}
            Of FHIR.

        Returns
        -------
        fhir.resources Questionnaire
            ``linkId`` is the column of a case.
        """
        from kneebayes.fhir import questionnaire

        return questionnaire(self.file, version)

    def case_from_fhir(self, response: object, version: Version = "R5") -> dict[str, object]:
        """Read a FHIR QuestionnaireResponse; see `kneebayes.fhir.read_response`.

        Parameters
        ----------
        response : mapping, str, bytes or fhir.resources QuestionnaireResponse
            Answers to the Questionnaire of this model.
        version : {"R5", "R4B"}
            Of FHIR.

        Returns
        -------
        dict of str to object
            A case for `diagnose`.
        """
        from kneebayes.fhir import read_response

        return read_response(response, self.file, version)
