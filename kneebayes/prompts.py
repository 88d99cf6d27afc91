"""A question on the explorer's page, answered by clicking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from kneebayes import page
from kneebayes.exploration import UNKNOWN, Exploration

if TYPE_CHECKING:
    from kneebayes.questions import Question

__all__ = ["Prompt"]


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
