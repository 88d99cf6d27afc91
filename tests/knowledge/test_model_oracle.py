"""The oracle against hand-computed numbers, and kneebayes against the oracle on the shipped models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kneebayes as kb
from kneebayes.spec.yaml_io import model_path
from tests.knowledge.model_oracle import Oracle

NAMES = ARTICLE, EXTENDED = "posterior_knee_pain", "posterior_knee_pain_extended"
TINY = """
complaint: pain
risks:
  old: {prior: {present: {p: 0.4}}}
inputs:
  days:
    variable: time
    bands: [{state: days}, {state: weeks, above: 7}, {state: months, above: 42}]
  long: {variable: time, answers: {absent: [days, weeks], present: [months]}}
  short: {variable: time, answers: {absent: [weeks, months], present: [days]}}
causes:
  wear: {leak: {p: 0.1}, links: {old: {present: {p: 0.5}}}}
  clot: {leak: {p: 0.02}, links: {wear: {present: {p: 0.1}}}}
findings:
  pain: {leak: {p: 0.05}, links: {wear: {present: {p: 0.6}}, clot: {present: {p: 0.9}}}}
  time:
    states: [days, weeks, months]
    leak: {weeks: {p: 0.2}, months: {p: 0.1}}
    links:
      wear: {present: {weeks: {p: 0.1}, months: {p: 0.8}}}
      clot: {present: {weeks: {p: 0.3}}}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Oracle:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return Oracle(path)


def test_prior_by_hand(tiny: Oracle) -> None:
    wear = 0.6 * 0.1 + 0.4 * (1 - 0.9 * 0.5)
    joint, whole = tiny.joint_posterior({"pain": {"absent": 1, "present": 1}})
    assert whole == pytest.approx(1)
    expected = [[(1 - wear) * 0.98, (1 - wear) * 0.02], [wear * 0.98 * 0.9, wear * (1 - 0.98 * 0.9)]]
    np.testing.assert_allclose(joint, expected, rtol=1e-14)


def test_noisy_max_by_hand(tiny: Oracle) -> None:
    """At most weeks: the leak, the wear and the clot each at most weeks."""
    days, weeks, months = tiny.chances("time")[:, 1, 1]
    assert days == pytest.approx(0.7 * 0.1 * 0.7)
    assert days + weeks == pytest.approx(0.9 * 0.2 * 1.0)
    assert days + weeks + months == pytest.approx(1)
    assert tiny.chances("time")[:, 0, 0] == pytest.approx([0.7, 0.2, 0.1])


def test_an_answer_is_evidence_on_the_states_it_leaves(tiny: Oracle) -> None:
    not_long = tiny.joint_posterior({"long": "no"})[0]
    by_hand = [tiny.joint_posterior({"time": state}) for state in ("days", "weeks")]
    shares = np.array([whole for _, whole in by_hand]) / sum(whole for _, whole in by_hand)
    np.testing.assert_allclose(not_long, sum(s * joint for s, (joint, _) in zip(shares, by_hand, strict=True)))
    assert (
        tiny.posterior({"long": "no", "short": "no"}) == tiny.posterior({"days": 8}) == tiny.posterior({"days": "42"})
    )
    assert tiny.joint_posterior({"long": "yes", "days": 3})[1] == 0


@pytest.mark.parametrize(
    ("name", "cases"), [(ARTICLE, 15), (EXTENDED, 5), *(pytest.param(n, 50, marks=pytest.mark.slow) for n in NAMES)]
)
def test_kneebayes_agrees_with_the_oracle(name: str, cases: int) -> None:
    model, oracle = kb.load_model(name), Oracle(model_path(name))
    rng = np.random.default_rng(5)
    for _ in range(cases):
        evidence = {
            column: str(rng.choice(states))
            for column, states in oracle.states.items()
            if column != "pregnancy" and rng.random() < (0.02 if column in oracle.axis else 0.3)
        }
        dx = model.diagnose(evidence)
        assert {**dx.probabilities, **dx.details} == pytest.approx(oracle.posterior(evidence), abs=1e-9)
