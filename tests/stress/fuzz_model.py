"""Coverage-guided fuzzing of the reader of model files, and of what is made of a model.

    python -m venv fuzz && fuzz/bin/pip install atheris -e . && fuzz/bin/python -m tests.stress.fuzz_model FOLDER 600

FOLDER keeps the inputs that reached something new, and the seconds are how long
to go on; what libFuzzer knows besides may follow (``-runs=0`` only replays). An
input that breaks a promise ends the run, and is left in FOLDER as ``crash-...``.

An input is YAML, or a recipe: edits to a model that is sound, so that models
are reached which are wrong in one place only, or in none. What must hold:

- nothing but a KneeBayesError is raised by reading, compiling, diagnosing and scoring;
- a model that is read is written as text which reads back to the same model;
- its posteriors are probabilities, whatever one finding is, and `Model.score`
  gives the same ones as `Model.diagnose`.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from tests.stress.fuzzing import fuzz

INSTRUMENTED = (
    "spec.yaml_io",
    "spec.model_spec",
    "inference.tables",
    "diagnosis.alarm",
    "diagnosis.retractions",
    "cases.coding",
)
ANKLE = Path(__file__).parents[2] / "examples" / "ankle.yaml"
EXTENSION = 'extends: posterior_knee_pain\nname: mine\nversion: "1"\ncauses: {dvt: {links: {smoker: null}}}\n'
HOSTILE: tuple[Any, ...] = (
    None, True, 0, 1, -1, 0.0, 0.5, 1.0, 1e-300, 5e-324, -0.0, 1.0000000001, math.nan, math.inf, -math.inf, 10**400,
    "", " ", "absent", "present", "older", "twist", "gout", "ankle_pain", "case_id", "true_x", "Age", "é", "\0",
    "a" * 300,    "claim 1", "judgement", [], {}, [[]], [None], {"p": 0.5}, {"": None}, ["absent", "present"],
    ["a", "b", "c"], ["x"] * 200, [f"s{i}" for i in range(121)], [f"s{i}" for i in range(60)],
    {"p": 0.5, "range": [0.5, 0.5], "basis": "judgement", "why": "x"},
    {"p": 1.0, "range": [0.0, 1.0], "basis": "judgement", "why": "x"},
    {"p": 0.0, "range": [0.0, 1.0], "basis": "judgement", "why": "x"},
    {"gout": {"present": {"p": 0.3, "range": [0.1, 0.5], "basis": "judgement", "why": "x"}}},
    {"sprain": {"present": {"p": 1.0, "range": [0.1, 1.0], "basis": "judgement", "why": "x"}}},
)  # fmt: skip


class Plain(yaml.CSafeDumper):
    """Without aliases, which model files may not have."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write twice what is there twice."""
        return True


class Promises:
    """What an input is tried with."""

    def __init__(self) -> None:
        import kneebayes
        from kneebayes import errors
        from kneebayes.spec import yaml_io as modelfile
        from kneebayes.spec import yaml_io as modeltext

        self.kneebayes, self.modelfile, self.modeltext = kneebayes, modelfile, modeltext
        self.impossible = errors.ImpossibleEvidenceError
        self.sound = yaml.safe_load(ANKLE.read_text(encoding="utf-8"))

    def __call__(self, data: bytes) -> None:
        """Try one input."""
        if not data:
            return
        if data[0] & 1:
            text = data[1:].decode("utf-8", "replace")
        else:
            text = yaml.dump(self.cooked(data[1:]), Dumper=Plain, sort_keys=False, allow_unicode=True)
        try:
            file = self.modelfile.parse_model(text)
        except self.kneebayes.KneeBayesError as error:
            if len(str(error)) > 20_000:
                raise AssertionError("an error of a book's length") from error
            return
        if data[0] & 6:  # what comes is slower by far
            return
        assert self.modelfile.parse_model(self.modeltext.model_text(file)) == file
        try:
            model = self.kneebayes.Model(file)
            self.answers(model)
        except self.kneebayes.KneeBayesError:
            return

    def cooked(self, recipe: bytes) -> Any:
        """Follow a recipe: for each edit four bytes, which say how deep, where, what to do, and with what."""
        content = copy.deepcopy(self.sound)
        for start in range(0, len(recipe) - 3, 4):
            depth, place, action, what = recipe[start : start + 4]
            node = content
            for level in range(depth % 7):
                inner = list(node.values() if isinstance(node, dict) else node)
                deeper = [value for value in inner if isinstance(value, dict | list) and value]
                if not deeper:
                    break
                node = deeper[(place >> level % 3) % len(deeper)]
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                continue
            key, value = keys[place % len(keys)], copy.deepcopy(HOSTILE[what % len(HOSTILE)])
            if action % 5 == 0:
                del node[key]
            elif action % 5 == 1 and isinstance(node, dict):
                name = value if isinstance(value, str | int | float | bool | None) else f"new_{what}"
                node[name] = copy.deepcopy(node[key])
            elif action % 5 == 2:
                other = keys[what % len(keys)]
                node[key], node[other] = node[other], node[key]
            elif action % 5 == 3 and isinstance(node, list):
                node.append(value)
            else:
                node[key] = value
        return content

    def answers(self, model: Any) -> None:
        """Ask a model: nothing known, then each finding as present."""
        cases: list[dict[str, str]] = [{}]
        cases += [{name: finding.states[1]} for name, finding in model.file.findings.items()][:6]
        possible = []
        for case in cases:
            try:
                dx = model.diagnose(case)
            except self.impossible:
                continue
            assert dx.posterior.between(0, 1 + 1e-9).all(), dx.posterior
            possible.append((case, dx))
        frame = pd.DataFrame([case for case, _ in possible], dtype=object)
        if not frame.columns.empty:
            scored = model.score(frame)
            for row, (_, dx) in enumerate(possible):
                difference = (scored[dx.posterior.index].iloc[row] - dx.posterior).abs().max()
                assert difference < 1e-9, (difference, dx.posterior)
                assert scored[model.scorer.alarm_column].iloc[row] == dx.alarm.level


def main() -> None:
    """Fuzz."""
    seeds = {
        "seed_ankle": b"\1" + ANKLE.read_bytes(),
        "seed_extension": b"\1" + EXTENSION.encode(),
        "seed_sound": b"\0",
        **{f"seed_recipe_{n}": bytes([0, *(n * k % 256 for k in range(1, 9))]) for n in range(1, 60)},
    }
    fuzz(Promises(), seeds, INSTRUMENTED, ["-timeout=60", "-rss_limit_mb=3000", "-max_len=12000"])


if __name__ == "__main__":
    main()
