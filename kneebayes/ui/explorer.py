"""The explorer: a page on which a case is answered by clicking, as what it is told and what it shows.

Messages go in and contents out, as JSON: `ExplorerServer` carries them for ``kneebayes explore``, and
`kneebayes.ui.widget` in a notebook. The page itself is in templates/explorer.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property, lru_cache, partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import TYPE_CHECKING, Any

from kneebayes.cases.coding import Coder
from kneebayes.cases.labels import NONE
from kneebayes.diagnosis.questions import open_questions
from kneebayes.errors import KneeBayesError
from kneebayes.evaluation.expectations import facts_known, shipped_rows
from kneebayes.model import Model, load_model
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.templates import percent, read
from kneebayes.ui.session import KEPT, Exploration, control_of

if TYPE_CHECKING:
    from kneebayes.diagnosis.alarm import Thresholds
    from kneebayes.diagnosis.diagnosis import Diagnosis
    from kneebayes.diagnosis.uncertainty import Uncertainty

ASKED = 12  # questions sent; the page shows as many as there is room for, and needs others while some are held
DRAWS = 1000  # for intervals, as `Diagnosis.intervals` takes by default, so that its numbers and these agree
FEW_DRAWS, MANY_STATES = 100, 4096  # of the causes together, from which a thousand draws take many seconds
HOST = "127.0.0.1"
KINDS = {"page.html": "text/html", "page.css": "text/css", "page.js": "text/javascript", "start.js": "text/javascript"}
MAX_BYTES = 1 << 20  # of a message
# the page may load what comes from here, and nothing from elsewhere
POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; frame-ancestors 'none'; form-action 'none'"
)
OWN = ""  # of the models to choose from, the one that was handed in
Content = dict[str, Any]


def vignettes(model: ModelSpec) -> dict[str, tuple[str, dict[str, str]]]:
    """Read the cases that ship with kneebayes as titles and facts, by case_id, as far as a model knows what they tell.

    There are none for a model that does not know the diagnosis or the complaint they are about.
    """
    coder, found = Coder(model), {}
    for row in shipped_rows("vignettes"):
        facts = facts_known(coder, row)
        of_ours = row["label"] in (*model.causes, NONE) and model.complaint in row
        if of_ours and facts is not None:
            found[row["case_id"]] = f"{row['case_id']} {row['label']}: {row['narrative']}", facts
    return found


class Explorer:
    """A case on a page: `hear` takes what the page says, and gives what it is to show.

    ``form`` is what there is to ask, ``view`` what is known and follows from it, and `later` what takes longer; each is
    content for JSON. ``seq`` is the number of the last message heard.
    """

    def __init__(
        self, model: Model, *, case: Mapping[str, object] | None = None, thresholds: Thresholds | None = None
    ) -> None:
        self._models = {OWN: model}
        self._thresholds = thresholds
        self._aside: dict[str, object] = {}
        self._worked_out = lru_cache(KEPT)(lambda kind, dx: LATER[kind](dx))
        self._nth = count()
        self.seq = 0
        self.exploration: Exploration
        self._take_up(OWN)
        if case:
            self.exploration.load(case)

    @property
    def dx(self) -> Diagnosis:
        """The diagnosis of what is known so far."""
        return self.exploration.dx

    def _take_up(self, name: str) -> None:
        """Go on with another model, with the answers that it has words for; others are set aside until one has."""
        if name not in self._models:
            self._models[name] = load_model(name)
        model, facts = self._models[name], {**self._aside}
        if hasattr(self, "exploration"):
            facts |= self.exploration.facts
        exploration = Exploration(model.file, partial(model.diagnose, thresholds=self._thresholds))
        kept = {name: value for name, value in facts.items() if facts_known(exploration.coder, {name: value})}
        exploration.load(kept)
        exploration.before = exploration.dx  # another model is no answer that has changed something
        self._model, self.exploration, self._prior = name, exploration, model.network.priors()
        self._aside = {name: value for name, value in facts.items() if name not in kept}
        self._examples = vignettes(model.file)

    @staticmethod
    def takes_long(message: Mapping[str, Any]) -> bool:
        """Whether answers need not wait for what a message asks for."""
        return message.get("do") in LATER

    def hear(self, message: Mapping[str, Any]) -> dict[str, Content]:
        """Do what the page says, and give what has changed by it: view, form, or what of `LATER` it asks for."""
        do, said = str(message.get("do")), ""
        if self.takes_long(message):
            return {do: self.later(do)}
        try:
            if do == "answer":
                self.exploration.answer(str(message["name"]), message["value"])
            elif do == "load":
                self._put(message["facts"])
            elif do == "example":
                self._put(self._examples[message["name"]][1])
            elif do == "model":
                self._take_up(str(message["name"]))
                if self._aside:
                    said = f"This model does not know: {', '.join(self._aside)}. Set aside until one does."
        except KneeBayesError as error:
            said = str(error)
        self.seq = int(message.get("seq", self.seq))  # last: what is said of how sure it is goes by it
        view = {"view": self.view(said)}
        return view | {"form": self.form()} if do == "model" else view

    def _put(self, facts: Mapping[str, object]) -> None:
        self.exploration.load(facts)
        self._aside = {}

    def form(self) -> Content:
        """Say what there is to ask, and what else there is to choose."""
        exploration, spec = self.exploration, self.exploration.model
        own = self._models[OWN].file
        models = [(OWN, f"{own.name} {own.version}")]
        for name in ("posterior_knee_pain", "posterior_knee_pain_extended"):
            models += [(name, name)] if name != own.name else []
        return {
            "title": spec.title,
            "disclaimer": spec.disclaimer,
            "model": self._model,
            "models": models,
            "examples": [(case_id, title) for case_id, (title, _) in self._examples.items()],
            "controls": {name: asdict(control_of(spec, name)) for name in exploration.asked},
            "first": exploration.first(),
            "sections": exploration.sections(),
        }

    def view(self, problem: str = "") -> Content:
        """Say what is known, the alarm, and how likely each cause is."""
        dx, exploration = self.dx, self.exploration
        return {
            "seq": self.seq,
            "problem": problem,
            "facts": exploration.facts,
            "answers": {name: exploration.state(name) or "" for name in exploration.facts},
            "ruled_out": exploration.ruled_out(),
            "known": [(name, dx.label(name), exploration.said(name)) for name in exploration.facts],
            "alarm": {
                "level": dx.alarm.level,
                "of": dx.label(dx.model.alarm.cause),
                "p": percent(dx.alarm.probability),
                "advice": dx.alarm.advice,
                "reasons": dx.alarm.reasons,
            },
            "flags": [dx.label(name) for name in dx.red_flags],
            "warnings": dx.warnings,
            "wells": self._wells(),
            "bars": self._bars(),
            "record": dx.text(),
            "code": exploration.code(),
        }

    def _bars(self) -> list[Content]:
        dx, before = self.dx, self.exploration.before.probabilities
        bars = []
        for name, p in dx.ranked:
            further = control_of(dx.model, name).choices[2:] if name in dx.model.causes else ()
            then, now = percent(before[name]), percent(p)
            bars.append(
                {
                    "name": name,
                    "label": dx.label(name),
                    "own": name == dx.model.alarm.cause,
                    "p": p,
                    "said": now,
                    "before": before[name],
                    "change": "" if then == now else f"{'up' if p > before[name] else 'down'} from {then}",
                    "prior": self._prior[name],
                    "states": [f"{words} {percent(dx.details[f'{name}_{state}'])}" for words, state in further],
                }
            )
        return bars

    def _wells(self) -> str:
        """Say the Wells score as far as its items are known; nothing where none is."""
        dx = self.dx
        try:
            counted = dx.wells()
        except KneeBayesError:  # a score of another cause
            return ""
        n = len(counted.items)
        known = dx.evidence.keys() & set(counted.sheet.columns)
        return f"{counted.said} points; {n - len(counted.unknown)} of {n} items known" if known else ""

    def later(self, kind: str) -> Content:
        """Say one of `LATER` of the case as it is, worked out once: it comes back with the answers."""
        seq, dx = self.seq, self.dx  # in this order: answers may come in between, and those ask again
        # numbered, as a notebook passes on only what has changed, and the page waits for an answer
        return {"seq": seq, "nth": next(self._nth), **self._worked_out(kind, dx)}


def _ask(dx: Diagnosis) -> Content:
    """Say what to ask, and whether the alarm needs it."""
    questions = open_questions(dx.assessment, n=ASKED, keys_first=True)
    return {"questions": [(question.variable, question.key) for question in questions]}


def _sure(dx: Diagnosis) -> Content:
    """Say how sure it is."""
    draws = DRAWS if dx.network.n_joint < MANY_STATES else FEW_DRAWS
    found: Uncertainty = dx.uncertainty(draws=draws)
    ends = zip(found.network.columns, found.low.tolist(), found.high.tolist(), strict=True)
    return {
        "sentence": found.sentence,
        "level": percent(found.level),
        # NaN, which is no JSON, where the evidence is impossible in all draws
        "ranges": {name: (low, high, f"{percent(low)} to {percent(high)}") for name, low, high in ends if low <= 1},
    }


def _why(dx: Diagnosis) -> Content:
    """Say which answers speak for the cause of the alarm, and for what is most likely."""
    return {"lines": [str(explanation).splitlines() for explanation in dx.explanations()]}


# what takes longer than an answer does: the page asks for it when there is none to wait for
LATER: dict[str, Callable[[Diagnosis], Content]] = {"ask": _ask, "sure": _sure, "why": _why}


class ExplorerServer(ThreadingHTTPServer):
    """Serves one explorer at an address that only who is told it can guess; the case stays in memory."""

    def __init__(self, explorer: Explorer, port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.explorer = explorer
        self.key = secrets.token_urlsafe(16)
        self.lock = threading.Lock()  # answers are taken one after the other; what takes longer is worked out beside

    @cached_property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/{self.key}/"

    def say(self, message: dict[str, Any]) -> dict[str, Any]:
        """Take a message of the page, and say what it changes."""
        if self.explorer.takes_long(message):
            return self.explorer.hear(message)
        with self.lock:
            return self.explorer.hear(message)


class _Handler(BaseHTTPRequestHandler):
    server: ExplorerServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body go out together: alone, the body waits 40 ms until the browser has confirmed the head

    def do_GET(self) -> None:
        name = self._name()
        if name == "state":
            explorer = self.server.explorer
            self._answer({"form": explorer.form(), "view": explorer.view()})
        elif name in KINDS:
            self._send(read(f"explorer/{name}").encode(), KINDS[name])
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if self._name() != "say" or not 0 < length <= MAX_BYTES:
            self.close_connection = True
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self._answer(self.server.say(json.loads(self.rfile.read(length))))

    def _name(self) -> str | None:
        """Name what is asked for; None unless by the whole address: a page of elsewhere may name another host here."""
        _, key, *rest = self.path.split("/") if self.path.startswith("/") else ("", "")
        own = self.headers.get("Host") == f"{HOST}:{self.server.server_port}"
        if not own or not secrets.compare_digest(key.encode(), self.server.key.encode()) or len(rest) != 1:
            return None
        return rest[0] or "page.html"

    def _answer(self, content: dict[str, Any]) -> None:
        self._send(json.dumps(content).encode(), "application/json")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": POLICY,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what is asked for is nobody's business."""
