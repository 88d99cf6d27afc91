"""The explorer in a notebook, carried by anywidget."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kneebayes.errors import MissingExtraError, OptionError
from kneebayes.model import Model, load_model
from kneebayes.templates import read
from kneebayes.ui.explorer import Explorer

try:
    import anywidget
    import traitlets
except ImportError as error:
    raise MissingExtraError("the explorer in a notebook needs anywidget: pip install 'kneebayes[notebook]'") from error

if TYPE_CHECKING:
    from kneebayes.diagnosis.alarm import Thresholds
    from kneebayes.diagnosis.diagnosis import Diagnosis


def explore(
    model: Model | None = None, *, case: Mapping[str, object] | None = None, thresholds: Thresholds | None = None
) -> ExplorerWidget:
    """Explore cases by clicking, in a notebook; ``kneebayes explore`` opens the same page from a shell.

    Parameters
    ----------
    model : Model, optional
        By default the article's.
    case : mapping of str to object, optional
        What is known to begin with, as for `Model.diagnose`.
    thresholds : Thresholds, optional
        Of the alarm; by default those of the model file.

    Returns
    -------
    ExplorerWidget
        Shows itself; ``.dx`` is the diagnosis of what has been clicked.

    Raises
    ------
    OptionError
        If the model is not one that `load_model` returns.

    Examples
    --------
    >>> explorer = explore(case={"age": 67, "unilateral_leg_swelling": True})
    >>> explorer.dx.alarm.level
    'urgent'
    """
    if model is not None and not isinstance(model, Model):
        raise OptionError(f"explore takes a model, not a {type(model).__name__}: explore(kb.load_model({model!r}))")
    return ExplorerWidget(Explorer(load_model() if model is None else model, case=case, thresholds=thresholds))


class ExplorerWidget(anywidget.AnyWidget):
    """The page of an explorer, as `explore` makes it.

    Attributes
    ----------
    explorer : Explorer
        The case itself.
    """

    _esm = read("explorer/page.js")
    _css = read("explorer/page.css")
    form = traitlets.Dict().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)
    ask = traitlets.Dict().tag(sync=True)
    sure = traitlets.Dict().tag(sync=True)
    why = traitlets.Dict().tag(sync=True)

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        super().__init__(form=explorer.form(), view=explorer.view())
        self.on_msg(self._hear)

    @property
    def dx(self) -> Diagnosis:
        """The diagnosis of what is known so far."""
        return self.explorer.dx

    @property
    def facts(self) -> dict[str, object]:
        """What is known so far."""
        return dict(self.explorer.exploration.facts)

    def _hear(self, _: Any, message: Mapping[str, Any], buffers: Any) -> None:
        if self.explorer.takes_long(message):  # beside the kernel's loop, so that clicks need not wait
            self._asked = asyncio.get_running_loop().create_task(self._work_out(message))
        else:
            self._show(self.explorer.hear(message))

    async def _work_out(self, message: Mapping[str, Any]) -> None:
        self._show(await asyncio.to_thread(self.explorer.hear, message))

    def _show(self, changed: Mapping[str, Any]) -> None:
        with self.hold_sync():
            for name, content in changed.items():
                setattr(self, name, content)
