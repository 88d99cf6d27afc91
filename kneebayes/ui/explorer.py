"""The explorer: a page in a notebook on which a case is answered by clicking."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kneebayes.cases.coding import Coder
from kneebayes.errors import CaseError, KneeBayesError, MissingExtraError, UnknownColumnError
from kneebayes.model import Model, load_model
from kneebayes.plots.case import priors
from kneebayes.plots.style import percent
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import shipped
from kneebayes.templates import read, render
from kneebayes.ui.session import UNKNOWN, Control, Exploration, control_of

try:
    import anywidget
    import ipywidgets as widgets
except ImportError as error:
    raise MissingExtraError("the explorer needs ipywidgets and anywidget: pip install 'kneebayes[notebook]'") from error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kneebayes.diagnosis.alarm import Thresholds
    from kneebayes.diagnosis.diagnosis import Diagnosis
    from kneebayes.diagnosis.questions import Question
    from kneebayes.diagnosis.uncertainty import Uncertainty

__all__ = ["Explorer", "Vignette", "explore", "vignettes"]

ASKED = 5  # questions in view
PAUSE = 0.3  # seconds without a click before intervals are worked out, so that they don't hold up one who clicks fast
DRAWS = 1000  # for intervals, as `Diagnosis.intervals` takes by default, so that its numbers and these agree
HEIGHT = "min(48rem, 80vh)"
CHOOSE = "Load an example ..."
OPEN, SHUT = "\N{BLACK DOWN-POINTING SMALL TRIANGLE}", "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}"


@dataclass(frozen=True)
class Vignette:
    """A case that ships with kneebayes: name, diagnosis and story, and facts as `Model.diagnose` takes them."""

    case_id: str
    label: str
    narrative: str
    facts: dict[str, str]


def vignettes(model: ModelSpec) -> list[Vignette]:
    """Read the cases that ship with kneebayes, as far as a model knows what they tell.

    There are none for a model that does not know the diagnosis or the complaint they are about.

    Examples
    --------
    >>> from kneebayes.spec.yaml_io import model_path, read_model
    >>> vignettes(read_model(model_path("posterior_knee_pain")))[0].label
    'dvt'
    """
    vocabulary, found = Coder(model), []
    text = shipped("vignettes.csv", checkout="data/vignettes.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(io.StringIO(text)):
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


# What the page shows, as HTML


def banner(dx: Diagnosis) -> str:
    """Write the alarm and what is likeliest."""
    likeliest = sorted(dx.probabilities.items(), key=lambda item: -item[1])[:2]
    return render("explorer/banner.html", dx=dx, likeliest=likeliest, percent=percent)


def bars(
    dx: Diagnosis, before: Mapping[str, float], start: Mapping[str, float], sure: Uncertainty | None = None
) -> str:
    """Write the posteriors as bars that move from where they start, with ticks where they were before, by cause.

    The cause of the alarm comes first, then model order, so that a bar keeps its place.
    """
    own, model = dx.model.alarm.cause, dx.model
    ends: dict[str, tuple[float, float]] = {}
    if sure is not None:
        ends = dict(zip(sure.network.columns, zip(sure.low.tolist(), sure.high.tolist(), strict=True), strict=True))
    shown = []
    for name in [own, *(name for name in dx.probabilities if name != own)]:
        p, range_ = dx.probabilities[name], ends.get(name)
        further = control_of(model, name).choices[2:] if name in model.causes else ()
        shown.append(
            {
                "name": name,
                "own": name == own,
                "label": dx.label(name),
                "p": p,
                "start": start.get(name, p),
                "prior": before[name],
                "range": range_ if range_ is not None and range_[0] == range_[0] else None,  # NaN where not defined
                "states": [(words, dx.details[f"{name}_{state}"]) for words, state in further],
            }
        )
    return render("explorer/bars.html", bars=shown, sure=sure, percent=percent)


def problem(said: str) -> str:
    """Write what went wrong."""
    return render("explorer/problem.html", problem=said)


def code_box(code: str, disclaimer: str) -> str:
    """Write the case as code, with a button that copies it, and what stands under all of it."""
    return render("explorer/code.html", code=code, disclaimer=disclaimer)


class _Page(anywidget.AnyWidget):
    """The style of the page, and what it does by itself."""

    _esm = read("explorer/page.js")
    _css = read("explorer/page.css")


class _Prompt:
    """A place for a question; the place stays, so that the keyboard stays with it, and the question changes.

    ``answer`` takes the variable and the state clicked.
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
        self.box = _classed(widgets.HBox([self._label, *self._buttons, self._choice]), "kb-row", "kb-asked")

    def show(self, model: ModelSpec, question: Question | None) -> None:
        """Ask another question of a model; None hides the place."""
        self.box.layout.display = "none" if question is None else "flex"
        if question is None or question.variable == self._name:
            return
        control = control_of(model, question.variable)
        self._name = question.variable
        self._label.value = render("explorer/question.html", question=question)
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


def explore(
    model: Model | None = None,
    *,
    case: Mapping[str, object] | None = None,
    thresholds: Thresholds | None = None,
    height: str = HEIGHT,
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
    """The widgets of an exploration, as `explore` makes them.

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
        height: str = HEIGHT,
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
        self._banner, self._bars, self._message = _classed(widgets.HTML(), "kb-banner"), widgets.HTML(), widgets.HTML()
        self._reasons, self._details, self._code = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self._asked = [_Prompt(self._answer) for _ in range(ASKED)]
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
        style, layout = widgets.ToggleButtonsStyle(button_width="auto"), widgets.Layout()  # shared by all controls
        sections = []
        for i, section in enumerate(self.exploration.sections()):
            for control in section.controls:
                self.controls[control.name] = self._widget(control, style, layout)
            body = _classed(widgets.VBox([self.controls[control.name] for control in section.controls]), "kb-body")
            header = _classed(widgets.ToggleButton(value=i == 0, tooltip="show or hide"), "kb-group")
            header.observe(lambda _: self._head(), "value")
            self._groups.append((section.label, section.controls, header, body))
            sections += [header, body]
        self._head()
        self._chooser = widgets.Dropdown(options=[CHOOSE, *self._examples])
        self._chooser.observe(self._load, "value")
        reset = widgets.Button(description="Reset", tooltip="forget all answers")
        reset.on_click(lambda _: self._put({}))
        tools = _classed(widgets.HBox([self._chooser, reset] if self._examples else [reset]), "kb-tools")
        ask = [widgets.HTML("<h4>Ask next</h4>"), *(asked.box for asked in self._asked)]
        left = widgets.VBox([tools, self._message, *sections])
        right = widgets.VBox([self._bars, *ask, self._reasons, self._details, self._code])
        panes = [_classed(left, "kb-pane", "kb-evidence"), _classed(right, "kb-pane", "kb-results")]
        columns = _classed(widgets.Box(panes), "kb-columns")
        page = _Page(layout=widgets.Layout(display="none"))
        return _classed(
            widgets.VBox([page, self._banner, columns], layout=widgets.Layout(height=height)), "kb-explorer"
        )

    def _widget(self, control: Control, style: Any, layout: Any) -> Any:
        options = {"description": control.label, "layout": layout}
        choices = [*control.choices, ("?", UNKNOWN)]
        if control.unit:
            made = widgets.Text(placeholder=control.unit, continuous_update=False, **options)
        elif control.three_way:
            tips = [f"{control.question} {word}" for word, _ in control.choices]
            tips.append(f"{control.question} not known")
            made = widgets.ToggleButtons(options=choices, value=UNKNOWN, tooltips=tips, style=style, **options)
            made.add_class("kb-three")
        else:
            made = widgets.Dropdown(options=[choices[-1], *choices[:-1]], value=UNKNOWN, **options)
        made.observe(partial(self._changed, control.name), "value")
        return _classed(made, "kb-row", f"kb-{control.name}")

    def _changed(self, name: str, change: Mapping[str, Any]) -> None:
        if not self._quiet:
            self._answer(name, change["new"])

    def _answer(self, name: str, value: object) -> None:
        self._take(lambda: self.exploration.answer(name, value))

    def _load(self, change: Mapping[str, Any]) -> None:
        if not self._quiet and change["new"] in self._examples:
            self._put(self._examples[change["new"]])

    def _put(self, facts: Mapping[str, object]) -> None:
        if not facts:
            with self._silence():
                self._chooser.value = CHOOSE
        self._take(lambda: self.exploration.load(facts))

    def _take(self, change: Callable[[], None]) -> None:
        """Change the case, or say why it can't be changed, and show it as it is."""
        said = ""
        try:
            change()
        except KneeBayesError as error:
            said = problem(str(error))
        self._message.value = said
        self._sync()
        self._refresh()

    @contextmanager
    def _silence(self) -> Iterator[None]:
        """Set widgets without taking that for clicks."""
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    def _sync(self) -> None:
        """Show the answers as they are, which is not what was clicked where that is not possible."""
        with self._silence():
            for name, control in self.controls.items():
                state = self.exploration.state(name) or UNKNOWN
                if control.value != state:
                    control.value = state
        self._head()

    def _head(self) -> None:
        for label, controls, header, body in self._groups:
            known = sum(control.name in self.exploration.facts for control in controls)
            header.description = f"{OPEN if header.value else SHUT} {label}{f' ({known})' if known else ''}"
            body.layout.display = "flex" if header.value else "none"

    def _refresh(self) -> None:
        dx = self.dx
        self._banner.value = banner(dx)
        self._bars.value = bars(dx, self._priors, self._shown)
        self._shown = dict(dx.probabilities)
        questions = self.exploration.questions(ASKED)
        for i, asked in enumerate(self._asked):
            asked.show(dx.model, questions[i] if i < len(questions) else None)
        self._reasons.value = render("explorer/reasons.html", dx=dx)
        self._code.value = code_box(self.exploration.code(), dx.model.disclaimer)
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
        self._bars.value = bars(self.dx, self._priors, self._shown, sure)
        self._details.value = render("explorer/details.html", sure=sure, explanations=explanations)
        self._details.remove_class("kb-old")


def _details(dx: Diagnosis) -> tuple[Any, Any]:
    return dx.uncertainty(draws=DRAWS), dx.explanations()


def _classed(widget: Any, *names: str) -> Any:
    for name in names:
        widget.add_class(name)
    return widget
