"""What an explanation consists of, as a table and in words.

Shares are of the logarithm of the odds, in decibans: ten are a factor of ten in
the odds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from kneebayes.model import ModelFile

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DECIBANS", "NOTICEABLE", "Explanation", "Piece", "Rival", "said"]

DECIBANS = 10 / np.log(10)  # in one natural logarithm of odds
NOTICEABLE = 1.0  # deciban: about the least change of odds that a mind perceives (Good 1979, after Turing)


@dataclass(frozen=True)
class Piece:
    """One piece of evidence, and what it did to the odds of the target.

    Attributes
    ----------
    variable, said : str
        What is known, by name and in words.
    decibans : float
        Its share of the change, by Shapley's values.
    standard_error : float
        Of `decibans`; 0 where they are exact.
    leave_one_out : float
        The change of the log-odds when it is added to all others, in decibans.
    without : float
        P(target) without it.
    """

    variable: str
    said: str
    decibans: float
    standard_error: float
    leave_one_out: float
    without: float


@dataclass(frozen=True)
class Rival:
    """Another cause, and what the target would be without it.

    Attributes
    ----------
    cause : str
        Its name.
    decibans : float
        By how much the log-odds of the target rise where the cause is absent.
    probability : float
        P(target) then.
    """

    cause: str
    decibans: float
    probability: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a target is as likely as it is.

    Attributes
    ----------
    target : str
        A cause, ``none_of_these``, or a state such as ``bakers_cyst_ruptured``.
    prior, posterior : float
        P(target) before and after the pieces.
    change : float
        Of the log-odds, in decibans; infinite where the evidence settles it.
    pieces : tuple of Piece
        The greatest share first.
    rivals : tuple of Rival
        The other causes, that which holds the target down most first.
    tension : float
        How much less probable the pieces are together than if they had nothing
        to do with each other, in decibans (Jensen's measure of conflict). Over
        0 they fit together badly, whatever the target.
    lost : bool
        Whether something else is likelier than the target.
    model : ModelFile
        For the words.
    """

    target: str
    prior: float
    posterior: float
    change: float
    pieces: tuple[Piece, ...]
    rivals: tuple[Rival, ...]
    tension: float
    lost: bool
    model: ModelFile

    @property
    def exact(self) -> bool:
        """Whether the shares are exact rather than sampled."""
        return not any(piece.standard_error for piece in self.pieces)

    @cached_property
    def conflicts(self) -> tuple[tuple[str, str], ...]:
        """Pairs of pieces of which the first raises the odds and the second lowers them, the strongest first."""
        ups = [piece for piece in self.pieces if piece.decibans >= NOTICEABLE]
        downs = [piece for piece in self.pieces if piece.decibans <= -NOTICEABLE]
        pairs = sorted(product(ups, downs), key=lambda pair: -min(pair[0].decibans, -pair[1].decibans))
        return tuple((up.variable, down.variable) for up, down in pairs)

    @property
    def explained_away(self) -> tuple[Rival, ...]:
        """The causes that hold a target down that has lost; none for one that leads."""
        return tuple(rival for rival in self.rivals if rival.decibans >= NOTICEABLE) if self.lost else ()

    def sentence(self, piece: Piece) -> str:
        """Say in plain words what a piece did.

        Parameters
        ----------
        piece : Piece
            One of the pieces.

        Returns
        -------
        str
            A sentence.
        """
        name, ratio = self.model.label_of(self.target), _times(_ratio(abs(piece.decibans)))
        if np.isinf(piece.decibans):
            return f"{piece.said}: {'makes' if piece.decibans > 0 else 'rules'} {name} " + (
                "certain." if piece.decibans > 0 else "out."
            )
        verb = "raises" if piece.decibans > 0 else "lowers"
        change = f"{piece.said}: {verb} the odds of {name} {ratio}"
        if np.isinf(self.change):
            return f"{change}, were they not settled."
        if abs(piece.decibans) < NOTICEABLE:
            return f"{piece.said}: hardly changes {name}; without it, {self._instead(piece)}."
        if piece.decibans * piece.leave_one_out < 0:
            return f"{change} as a rule, but not beside the rest; without it, {self._instead(piece)}."
        return f"{change}; without it, {self._instead(piece)}."

    def content(self) -> dict[str, Any]:
        """Give all of it as plain objects, as JSON wants them; infinite decibans are None.

        Returns
        -------
        dict of str to object
            In the words of the attributes.
        """
        numbers = {"prior": self.prior, "posterior": self.posterior, "change": self.change, "tension": self.tension}
        parts: dict[str, Any] = {
            "pieces": [asdict(piece) | {"sentence": self.sentence(piece)} for piece in self.pieces],
            "explained_away": [asdict(rival) for rival in self.explained_away],
        }
        plain: dict[str, Any] = {"target": self.target} | _finite(numbers) | {"exact": self.exact}
        plain |= {name: [_finite(part) for part in listed] for name, listed in parts.items()}
        return plain | {"conflicts": [list(pair) for pair in self.conflicts]}

    def frame(self) -> pd.DataFrame:
        """Give the pieces as a table.

        Returns
        -------
        pandas.DataFrame
            One row per piece, by variable; ``attrs`` has the rest.
        """
        import pandas as pd

        pulls: dict[str, list[str]] = {piece.variable: [] for piece in self.pieces}
        for up, down in self.conflicts:
            pulls[up].append(down)
            pulls[down].append(up)
        rows = [
            {
                "said": piece.said,
                "decibans": piece.decibans,
                "likelihood_ratio": _ratio(piece.decibans),
                "standard_error": piece.standard_error,
                "leave_one_out": piece.leave_one_out,
                "leave_one_out_ratio": _ratio(piece.leave_one_out),
                "without": piece.without,
                "pulls_against": ";".join(pulls[piece.variable]),
                "sentence": self.sentence(piece),
            }
            for piece in self.pieces
        ]
        columns = [*("said", "decibans", "likelihood_ratio", "standard_error", "leave_one_out")]
        columns += ["leave_one_out_ratio", "without", "pulls_against", "sentence"]
        index = pd.Index([piece.variable for piece in self.pieces], name="variable", dtype=object)
        frame = pd.DataFrame(rows, index=index, columns=columns)
        texts = ("said", "pulls_against", "sentence")
        frame = frame.astype({column: str if column in texts else float for column in columns})
        frame.attrs = {
            "target": self.target,
            "prior": self.prior,
            "posterior": self.posterior,
            "change": self.change,
            "exact": self.exact,
            "tension": self.tension,
            "conflicts": [list(pair) for pair in self.conflicts],
            "explained_away": {rival.cause: rival.decibans for rival in self.explained_away},
        }
        return frame

    def _instead(self, piece: Piece) -> str:
        return f"{piece.without:.1%} instead of {self.posterior:.1%}"

    def __str__(self) -> str:
        label = self.model.label_of(self.target)
        lines = [f"Why {label}: from {self.prior:.1%} to {self.posterior:.1%} ({self.change:+.1f} decibans)"]
        leading = [piece for piece in self.pieces if abs(piece.decibans) >= NOTICEABLE]
        lines += [f"  {piece.decibans:+6.1f}  {self.sentence(piece)}" for piece in leading]
        if len(leading) < len(self.pieces):
            rest = sum(piece.decibans for piece in self.pieces if abs(piece.decibans) < NOTICEABLE)
            lines.append(f"  {rest:+6.1f}  {len(self.pieces) - len(leading)} more, each under 1 deciban.")
        if self.conflicts:
            known = {piece.variable: piece.said for piece in self.pieces}
            up, down = self.conflicts[0]
            more = f" (and {len(self.conflicts) - 1} more such pairs)" if len(self.conflicts) > 1 else ""
            lines.append(f"  Pull against each other: {known[up]} / {known[down]}{more}.")
        for rival in self.explained_away[:2]:
            other = self.model.label_of(rival.cause)
            lines.append(f"  Held down by {other}: were that ruled out, it would be at {rival.probability:.1%}.")
        if not self.exact:
            worst = max(piece.standard_error for piece in self.pieces)
            lines.append(f"  Shares are sampled: standard error up to {worst:.2g} decibans.")
        return "\n".join(lines)


def said(model: ModelFile, variable: str, state: str) -> str:
    """Say in words that a variable is in a state.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    variable, state : str
        By name.

    Returns
    -------
    str
        Such as ``Calf pain: yes``.
    """
    known = model.variables[variable]
    if known.states == ("absent", "present"):
        return f"{known.label}: {'yes' if state == 'present' else 'no'}"
    return f"{known.label}: {known.state_labels.get(state, state.replace('_', ' '))}"


def _ratio(decibans: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(decibans / DECIBANS))


def _finite(part: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and np.isinf(value) else value for name, value in part.items()}


def _times(ratio: float) -> str:
    return f"{ratio:.1f}-fold" if ratio < 100 else f"{ratio:,.0f}-fold"
