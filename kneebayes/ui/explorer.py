"""The explorer: a page in a notebook on which a case is answered by clicking."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from kneebayes.cases.coding import Coder
from kneebayes.errors import CaseError, KneeBayesError, UnknownColumnError
from kneebayes.model import Model, load_model
from kneebayes.plots.case import priors
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.ui import page
from kneebayes.ui.session import UNKNOWN, Control, Exploration

if TYPE_CHECKING:
    from kneebayes.diagnosis.alarm import Thresholds
    from kneebayes.diagnosis.diagnosis import Diagnosis
    from kneebayes.diagnosis.questions import Question

__all__ = [
    "Explorer",
    "Prompt",
    "Vignette",
    "explore",
    "vignettes",
]


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


def vignettes(model: ModelSpec) -> list[Vignette]:
    """Read the cases that ship with kneebayes, as far as a model knows what they tell.

    Parameters
    ----------
    model : ModelSpec
        A checked model file.

    Returns
    -------
    list of Vignette
        In the order of the file; none for a model that does not know the
        diagnosis or the complaint they are about.

    Examples
    --------
    >>> from kneebayes.spec.yaml_io import model_path, read_model
    >>> vignettes(read_model(model_path("posterior_knee_pain")))[0].label
    'dvt'
    """
    here = Path(__file__).parents[1]
    shipped = here / "vignettes.csv"  # beside this module in a wheel, in data/ of a checkout
    path = shipped if shipped.is_file() else here.parent / "data" / "vignettes.csv"
    vocabulary, found = Coder(model), []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            facts = {name: row[name] for name in vocabulary.columns if row.get(name)}
            if row["label"] not in (*model.causes, "none_of_these") or model.complaint not in row:
                continue
            if all(_readable(vocabulary, name, value) for name, value in facts.items()):
                found.append(Vignette(row["case_id"], row["label"], row["narrative"], facts))
    return found


def _readable(vocabulary: Coder, name: str, value: str) -> bool:
    try:
        vocabulary.code(name, value)
    except (CaseError, UnknownColumnError):
        return False
    return True


class Prompt:
    """A place for a question; the place stays, so that the keyboard stays with it, and the question changes.

    Parameters
    ----------
    answer : callable
        Takes the variable and the state clicked.

    Attributes
    ----------
    box : ipywidgets.HBox
        Its widgets.
    """

    def __init__(self, answer: Callable[[str, object], None]) -> None:
        self._answer = answer
        self._name = ""
        self._label = widgets.HTML()
        self._buttons = [widgets.Button() for _ in range(2)]
        self._states = ["", ""]
        self._choice = widgets.Dropdown(options=[("?", UNKNOWN)])
        self._quiet = False
        for i, button in enumerate(self._buttons):
            button.on_click(lambda _, i=i: self._answer(self._name, self._states[i]))
        self._choice.observe(self._chosen, "value")
        self.box = widgets.HBox([self._label, *self._buttons, self._choice])
        self.box.add_class("kb-row")
        self.box.add_class("kb-asked")

    def show(self, exploration: Exploration, question: Question | None) -> None:
        """Ask another question.

        Parameters
        ----------
        exploration : Exploration
            For the answers to choose from.
        question : Question or None
            None hides the place.
        """
        self.box.layout.display = "none" if question is None else "flex"
        if question is None or question.variable == self._name:
            return
        control = exploration.control(question.variable)
        self._name = question.variable
        mark = " <b>(key)</b>" if question.key else ""
        self._label.value = f"{page.text(question.question)}{mark}"
        two = len(control.choices) == 2
        for i, button in enumerate(self._buttons):
            button.layout.display = "inline-block" if two else "none"
            if two:
                button.description, self._states[i] = control.choices[i]
                button.tooltip = f"{question.question} {control.choices[i][0]}"
        self._choice.layout.display = "none" if two else "inline-flex"
        if not two:
            self._quiet = True
            self._choice.options = [("?", UNKNOWN), *control.choices]
            self._choice.value = UNKNOWN
            self._quiet = False

    def _chosen(self, change: Mapping[str, Any]) -> None:
        if not self._quiet and change["new"]:
            self._answer(self._name, change["new"])


try:
    import ipywidgets as widgets
except ImportError as error:
    raise ImportError("the explorer needs ipywidgets: pip install 'kneebayes[notebook]'") from error


ASKED = 5  # questions in view
PAUSE = 0.3  # seconds without a click before intervals are worked out, so that they don't hold up one who clicks fast
DRAWS = 1000  # for intervals, as `Diagnosis.intervals` takes by default, so that its numbers and these agree
CHOOSE = "Load an example ..."


def explore(
    model: Model | None = None,
    *,
    case: Mapping[str, object] | None = None,
    thresholds: Thresholds | None = None,
    height: str = "min(48rem, 80vh)",
) -> Explorer:
    """Explore cases by clicking, in a notebook or with Voila.

    Parameters
    ----------
    model : Model, optional
        By default the article's.
    case : mapping of str to object, optional
        What is known to begin with, as for `Model.diagnose`.
    thresholds : Thresholds, optional
        Of the alarm; by default those of the model file.
    height : str
        Of the page, in CSS.

    Returns
    -------
    Explorer
        Shows itself; ``.dx`` is the diagnosis of what has been clicked.

    Examples
    --------
    >>> explorer = explore(case={"age": 67, "unilateral_leg_swelling": True})
    >>> explorer.dx.alarm.level
    'caution'
    """
    return Explorer(model or load_model(), case=case, thresholds=thresholds, height=height)


class Explorer:
    """The widgets of an exploration.

    Parameters
    ----------
    model : Model
        A loaded model.
    case : mapping of str to object, optional
        What is known to begin with.
    thresholds : Thresholds, optional
        Of the alarm.
    height : str
        Of the page, in CSS.

    Attributes
    ----------
    exploration : Exploration
        The case itself.
    controls : dict of str to widget
        By variable: ToggleButtons, Dropdown or Text.
    box : ipywidgets.VBox
        All of it.
    """

    def __init__(
        self,
        model: Model,
        *,
        case: Mapping[str, object] | None = None,
        thresholds: Thresholds | None = None,
        height: str = "min(48rem, 80vh)",
    ) -> None:
        diagnose = partial(model.diagnose, thresholds=thresholds)
        self.exploration = Exploration(model.file, diagnose, case)
        self._examples = {f"{v.case_id} {v.label}: {v.narrative}": v.facts for v in vignettes(model.file)}
        self._priors = priors(model.network)
        self._shown = dict(self._priors)
        self._quiet = False
        self._pending: asyncio.Task[None] | None = None
        self._groups: list[tuple[str, tuple[Control, ...], Any, Any]] = []
        self.controls: dict[str, Any] = {}
        self._banner, self._bars, self._message = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self._reasons, self._details, self._code = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self._banner.add_class("kb-banner")
        self._asked = [Prompt(self._answer) for _ in range(ASKED)]
        self.box = self._built(height)
        self._sync()
        self._refresh()

    @property
    def dx(self) -> Diagnosis:
        """The diagnosis of what is known so far."""
        return self.exploration.dx

    @property
    def facts(self) -> dict[str, object]:
        """What is known so far."""
        return dict(self.exploration.facts)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.box._repr_mimebundle_(**options)

    def _built(self, height: str) -> Any:
        style, layout = widgets.ToggleButtonsStyle(button_width="auto"), widgets.Layout()
        sections = []
        for i, section in enumerate(self.exploration.sections()):
            for control in section.controls:
                self.controls[control.name] = self._widget(control, style, layout)
            body = widgets.VBox([self.controls[control.name] for control in section.controls])
            body.add_class("kb-body")
            header = widgets.ToggleButton(value=i == 0, tooltip="show or hide")
            header.add_class("kb-group")
            header.observe(lambda _: self._head(), "value")
            self._groups.append((section.label, section.controls, header, body))
            sections += [header, body]
        self._head()
        examples = widgets.Dropdown(options=[CHOOSE, *self._examples])
        examples.observe(self._load, "value")
        reset = widgets.Button(description="Reset", tooltip="forget all answers")
        reset.on_click(lambda _: self._put({}))
        self._chooser = examples
        tools = widgets.HBox([examples, reset] if self._examples else [reset])
        tools.add_class("kb-tools")
        left = widgets.VBox([tools, self._message, *sections])
        ask = widgets.HTML("<h4>Ask next</h4>")
        right = widgets.VBox(
            [self._bars, ask, *(asked.box for asked in self._asked), self._reasons, self._details, self._code]
        )
        for pane, name in ((left, "kb-evidence"), (right, "kb-results")):
            pane.add_class("kb-pane")
            pane.add_class(name)
        columns = widgets.Box([left, right])
        columns.add_class("kb-columns")
        box = widgets.VBox([widgets.HTML(page.STYLE), self._banner, columns], layout=widgets.Layout(height=height))
        box.add_class("kb-explorer")
        return box

    def _widget(self, control: Control, style: Any, layout: Any) -> Any:
        options = {"description": control.label, "layout": layout}
        if control.unit:
            made = widgets.Text(placeholder=control.unit, continuous_update=False, **options)
        elif control.three_way:
            tips = [f"{control.question} {word}" for word, _ in control.choices]
            choices = [*control.choices, ("?", UNKNOWN)]
            made = widgets.ToggleButtons(
                options=choices,
                value=UNKNOWN,
                tooltips=[*tips, f"{control.question} not known"],
                style=style,
                **options,
            )
            made.add_class("kb-three")
        else:
            made = widgets.Dropdown(options=[("?", UNKNOWN), *control.choices], value=UNKNOWN, **options)
        made.add_class("kb-row")
        made.add_class(f"kb-{control.name}")
        made.observe(partial(self._changed, control.name), "value")
        return made

    def _changed(self, name: str, change: Mapping[str, Any]) -> None:
        if not self._quiet:
            self._answer(name, change["new"])

    def _answer(self, name: str, value: object) -> None:
        try:
            self.exploration.answer(name, value)
        except KneeBayesError as error:
            self._message.value = page.message(str(error))
        else:
            self._message.value = ""
        self._sync()
        self._refresh()

    def _load(self, change: Mapping[str, Any]) -> None:
        if not self._quiet and change["new"] in self._examples:
            self._put(self._examples[change["new"]])

    def _put(self, facts: Mapping[str, object]) -> None:
        try:
            self.exploration.load(facts)
        except KneeBayesError as error:
            self._message.value = page.message(str(error))
            return
        self._message.value = ""
        if not facts:
            self._quiet = True
            self._chooser.value = CHOOSE
            self._quiet = False
        self._sync()
        self._refresh()

    def _sync(self) -> None:
        """Show the answers as they are, which is not what was clicked where that is not possible."""
        self._quiet = True
        for name, control in self.controls.items():
            state = self.exploration.state(name) or UNKNOWN
            if control.value != state:
                control.value = state
        self._quiet = False
        self._head()

    def _head(self) -> None:
        for label, controls, header, body in self._groups:
            known = sum(control.name in self.exploration.facts for control in controls)
            sign = (
                "\N{BLACK DOWN-POINTING SMALL TRIANGLE}" if header.value else "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}"
            )
            header.description = f"{sign} {label}{f' ({known})' if known else ''}"
            body.layout.display = "flex" if header.value else "none"

    def _refresh(self) -> None:
        dx = self.dx
        self._banner.value = page.banner(dx)
        self._bars.value = page.bars(dx, self._priors, self._shown)
        self._shown = dict(dx.probabilities)
        questions = self.exploration.questions(ASKED)
        for i, asked in enumerate(self._asked):
            asked.show(self.exploration, questions[i] if i < len(questions) else None)
        self._reasons.value = page.reasons(dx)
        self._code.value = page.code_box(self.exploration.code(), dx.model.disclaimer)
        self._details.add_class("kb-old")  # until those of this case are there
        self._detail()

    def _detail(self) -> None:
        """Work out intervals and explanations: beside the page where it is alive, so that clicks need not wait."""
        if self._pending is not None:
            self._pending.cancel()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None or not self._details.value:  # while a page is being built, what changes in the kernel gets lost
            self._show_details(*_details(self.dx))
        else:
            self._pending = loop.create_task(self._detail_later(self.dx))

    async def _detail_later(self, dx: Diagnosis) -> None:
        await asyncio.sleep(PAUSE)
        found = await asyncio.to_thread(_details, dx)
        if dx is self.dx:
            self._show_details(*found)

    def _show_details(self, sure: Any, explanations: Any) -> None:
        self._bars.value = page.bars(self.dx, self._priors, self._shown, sure)
        self._details.value = page.details(explanations, sure)
        self._details.remove_class("kb-old")


def _details(dx: Diagnosis) -> tuple[Any, Any]:
    return dx.uncertainty(draws=DRAWS), dx.explanations()
