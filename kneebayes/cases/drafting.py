"""A first draft of a mapping: what the columns and values of somebody's table may mean, for a person to correct.

A column is proposed where its name has the very words of one variable (its name, label, question, or a synonym or
translation of models/synonyms.yaml), and its values fit. Anything less is written under ``unsure``, which must be
decided before the mapping is used: a wrong proposal is worse than none.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain, product
from typing import Any

import pandas as pd
import pyarrow as pa

from kneebayes.cases.coding import CASE_ID, SYNONYMS, Coder, number_of
from kneebayes.cases.frames import encode_column
from kneebayes.cases.mapping import UNDECIDED, UNKNOWN_SAID, Reading, normal, strptime_format, word
from kneebayes.cases.problems import Refusal
from kneebayes.spec.model_spec import NOT_EVIDENCE_PREFIX, UNKNOWN_WORDS
from kneebayes.spec.yaml_io import model_path, read_words

MAX_VALUES = 12  # distinct ones of a column of codes
MAX_GRADES = 6  # distinct numbers of a column of codes
MAX_CHOICES = 60
MAX_CODE, MAX_WORD, MIN_ROWS = 3, 20, 5  # a value is shown if it is a code, or a short word of so many rows
MAX_EXAMPLES = 5
REMEDY = "# move each to columns, as `NAME: variable` or with its values, or to ignore; none may be left"
MIN_DAY = 6  # characters of a day, as in 1.2.20
DATES = [
    "YYYY-MM-DD", "DD.MM.YYYY", "DD/MM/YYYY", "MM/DD/YYYY", "DD-MM-YYYY", "YYYY/MM/DD", "YYYYMMDD",
    "DD.MM.YY", "DD/MM/YY", "MM/DD/YY",
]  # fmt: skip
_CHOICE = re.compile(r"(.*?)\s*\((?:choice|wahl|opci[oó]n|choix|keuze)=(.+)\)\s*", re.IGNORECASE)
_BRACKETS = re.compile(r"\(.*?\)|\[.*?\]")
# The number of an item, as q12; not a later time, as d30, m3, fu2 or v2.
_CODE = re.compile(r"(?!(?:d|w|m|y|fu|mo|wk|day)[1-9]|[tv][2-9]$)[a-z]{0,3}\d+[a-z]?")
# Where a word begins within another, as in SkinTear and DDimer; not in mL and DVTs.
_CAMEL = re.compile(r"(?<=[a-zäöüß])(?<![/ ]m)(?=[A-ZÄÖÜ])|(?<=[A-ZÄÖÜ])(?=[A-ZÄÖÜ][a-zäöüß]{2})")
_GLUED = re.compile(r"(?<=[^\W\d_]{2})(?=\d)|(?<=\d)(?=[^\W\d_])")  # bed3d
_CUT = re.compile(r"[^\W\d_]{3,}(?=\.)")  # a word cut short, as swell.
MIN_TOLD = 2  # words that tell of a variable, whatever else a question says
MIN_STEM = 5  # letters of a word cut short without a full stop
_LEGEND = re.compile(r"(\d+)\s*=\s*([^,;/()\[\]=\d]+)")
_CELL_SEPARATORS = (";", "|", ",", "/")
_PLAIN = re.compile(r"[^\W\d][\w /()+-]*[\w)]|[^\W\d]")


def fold(text: str) -> tuple[str, ...]:
    """Write a phrase as words that can be compared: no accents, umlauts in either spelling, no fillers.

    >>> fold("Schmerz_in der Wade"), fold("SchmerzWade"), fold("Übergewicht") == fold("Uebergewicht")
    (('schmerz', 'wade'), ('schmerz', 'wade'), True)
    """
    text = _CAMEL.sub(" ", str(text))
    text = re.sub(r"(?<=\w)['\u2019]s\b", "", text, flags=re.IGNORECASE)  # McMurray's
    text = re.sub(r"(?<=\d)cm\b", " cm", text, flags=re.IGNORECASE)
    text = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe").replace("ł", "l"))
    text = "".join(c for c in text if not unicodedata.combining(c))
    for spelt, letter in (("ae", "a"), ("oe", "o"), ("ue", "u")):
        text = text.replace(spelt, letter)
    return tuple(part for part in re.findall(r"[^\W_]+", text) if part not in _words()["fillers"])


@dataclass(frozen=True)
class Draft:
    """A mapping to be read and mended: its text, and how many columns are proposed, unsure and ignored."""

    text: str
    proposed: int
    unsure: int
    ignored: int

    @property
    def summary(self) -> str:
        """What it holds, in words."""
        return f"{self.proposed} columns proposed, {self.unsure} unsure, {self.ignored} to ignore"


@dataclass(frozen=True)
class _Proposal:
    """What is proposed of one column: an entry of the mapping; or candidates; or, with neither, to ignore it.

    ``unknown`` is which of its answers would say nothing if it were one of the candidates, None for all.
    """

    entry: dict[str, Any] | None = None
    unsure: Sequence[str] | None = None
    why: str = ""
    unknown: str | None = UNKNOWN_SAID


class Drafter:
    """Drafts mappings for one model."""

    def __init__(self, coder: Coder) -> None:
        self.coder, model = coder, coder.model
        self.words = _words()
        known = {*coder.columns, CASE_ID, "label"}
        self._phrases: dict[frozenset[str], set[str]] = defaultdict(set)
        nodes = {**model.variables, **model.inputs}
        for name in known:
            node = nodes.get(name)
            said = [name, *self.words["columns"].get(name, ())]
            if node is not None:
                said += [node.label, getattr(node, "question", "")]
            for phrase in filter(None, map(fold, said)):
                self._phrases[frozenset(phrase)].add(name)
            if node is not None and len(asked := self._without_asking(fold(getattr(node, "question", "")))) > 1:
                self._phrases[frozenset(asked)].add(name)
        self._parts, self._wider = self._by_phrase("parts", known), self._by_phrase("wider", known)
        self._units = {unit for said in self.words["units"].values() for unit in said if len(unit) > 1}
        short = {word for kind in ("prefixes", "suffixes", "abbreviations") for word in self.words[kind]} - {"am"}
        phrases = chain(self.words["outcomes"], self._units, *self._phrases, *self._parts, *self._wider)
        self._pieces = {word for word in phrases if len(word) > 2}
        self._pieces |= {word for word in {*short, *self._units} if len(word) > 1}
        # Variables that say that a cause was there before, and the words by which a header does.
        self._befores: list[tuple[str, str, list[frozenset[str]]]] = [
            (name, before["cause"], [frozenset(fold(phrase)) for phrase in before["said"]])
            for name, before in self.words["before"].items()
            if name in known
        ]
        answers = (self.words["answers"][state] for state in ("present", "absent"))
        explaining = chain(self.words["explaining"], *self.words["units"].values(), *answers)
        self._explaining = {word for said in explaining for word in fold(said)}
        self._others = {frozenset(fold(said)): said for said in self.words["others"]}
        self._negations = {word for said in self.words["negations"] for word in fold(said)}
        numeric = {n.variable: name for name, n in model.numeric_inputs.items()}
        # A variable that has a column of numbers of its own name is one of them; pain_over_6_weeks stays itself.
        self._phrases = {
            phrase: {n for n in names if numeric.get(n, n) not in names - {n}} or names
            for phrase, names in self._phrases.items()
        }
        self._same = {word: fold(first) for first, *rest in self.words["same"] for said in rest for word in fold(said)}
        self._every = (self._phrases, self._parts, self._wider)
        self._known = {word for phrases in self._every for phrase in phrases for word in phrase}
        self._measures = {word for said in self.words["measures"] for word in fold(said)}
        self._alike = [self._by_same(phrases) for phrases in self._every]

    def _in_same(self, words: Iterable[str]) -> frozenset[str]:
        """Put for each word the first of those that say the same."""
        return frozenset(chain(*(self._same.get(word, (word,)) for word in words)))

    def _by_same(self, phrases: Mapping[frozenset[str], set[str]]) -> dict[frozenset[str], set[str]]:
        found: dict[frozenset[str], set[str]] = defaultdict(set)
        for phrase, names in phrases.items():
            if len(same := self._in_same(phrase)) > 1 or len(phrase) == 1:  # no rest of a phrase stands for it
                found[same] |= names
        return found

    def _by_phrase(self, kind: str, known: Iterable[str]) -> dict[frozenset[str], set[str]]:
        found: dict[frozenset[str], set[str]] = defaultdict(set)
        for name, said in self.words[kind].items():
            for phrase in map(fold, said if name in known else ()):
                found[frozenset(phrase)].add(name)
        return found

    # Names

    def variables(self, header: str) -> tuple[set[str], set[str]]:
        """Say which variables have the very words of a header, and which only some of them."""
        exact_name = next((name for name in self.coder.columns if normal(name) == normal(header)), None)
        if exact_name is not None:
            return {exact_name}, set()
        found, parts, wider = self._kinds(header)
        if found and not (found & (parts | wider)):
            # A number of days is no answer, an answer no number, and below a limit is not above it.
            in_units = self._units & set(fold(" ".join(_BRACKETS.findall(header))))
            is_number = found <= {*self.coder.model.numeric_inputs}
            if is_number:
                doubtful = any(sign in header for sign in "<≤>≥") or self._is_coded(header)
            else:
                doubtful = bool(in_units) or "<" in header or "≤" in header
            return (set(), found) if doubtful or self._adds(header, found) else (found, set())
        if parts or wider:
            return set(), parts | wider
        near: set[str] = set()
        forms = chain(self._meanings(header), self._meanings(_GLUED.sub(" ", header)))
        for own in {self._in_same(form) - self._measures for form in forms}:
            for phrase, names in chain(*(phrases.items() for phrases in self._alike)):
                is_near = phrase <= own or (own <= phrase and len(phrase) - len(own) <= 1)
                if is_near and own & phrase and (len(own - phrase) <= 2 or len(phrase) >= MIN_TOLD):
                    near |= names
        if not near:
            stems = {word for form in self._forms(header) for word in form if len(word) >= MIN_STEM} - self._known
            near = set().union(*(self._cut_short(phrases, header, stems) for phrases in self._every))
        meant = [{*form} for form in self._meanings(header)]
        is_said = (before for before in self._befores if any(s <= form for form in meant for s in before[2]))
        earlier = {cause: variable for variable, cause, _ in is_said}
        return set(), {earlier.get(name, name) for name in near}

    def _kinds(self, header: str) -> tuple[set[str], set[str], set[str]]:
        """Say of which variables a header has the very words, what it is a part of, and what it says more than.

        Where none has its words, those that say the same are taken.
        """
        named = {before} if (before := self._before(header)) else self._named(header)
        parts, wider = (self._said(phrases, header) for phrases in (self._parts, self._wider))
        if named or parts or wider:
            return named, parts - named, wider - named
        same = [said for said in map(self._in_same, self._meanings(header)) if len(said) > 1]
        named, parts, wider = (set().union(*(phrases.get(said, ()) for said in same)) for phrases in self._alike)
        return named, parts, wider

    def _said(self, phrases: Mapping[frozenset[str], set[str]], header: str) -> set[str]:
        found = {name for words in self._meanings(header) for name in phrases.get(frozenset(words), ())}
        stems = {word for cut in _CUT.findall(header) for word in fold(cut)}
        # One word alone, cut short, says too little.
        return found or (self._cut_short(phrases, header, stems) if stems < {*fold(header)} else set())

    def _cut_short(self, phrases: Mapping[frozenset[str], set[str]], header: str, stems: set[str]) -> set[str]:
        """Say of which phrases a header has each word, some cut short."""
        found = set()
        for form in {*map(frozenset, self._meanings(header))} if stems else ():
            cut, whole = form & stems, form - stems
            for phrase, names in phrases.items() if cut else ():
                rest = phrase - whole
                is_meant = len(phrase) == len(form) and len(rest) == len(cut)
                if is_meant and all(any(word.startswith(stem) for word in rest) for stem in cut):
                    found |= names
        return found

    def _doubt(self, header: str, label: str, near: set[str]) -> tuple[str, str | None]:
        """Say why the answers of a column may not be those of what it seems to be about, and which then say nothing."""
        said = {*fold(header), *fold(label)}
        if other := self._other(said, near):
            return f"'{other}': of somebody or something else, of later, or ruled out? Then ignore it", None
        if negations := self._negations & said:
            return f"'{min(negations)}' may turn its answers round", None
        if near & {*self.coder.model.numeric_inputs}:
            return "", UNKNOWN_SAID
        _, parts, wider = (any(found) for found in zip(self._kinds(header), self._kinds(label), strict=True))
        if parts:
            return "a part of it: no to a part is not no to the whole", "absent"
        if wider:
            return "more than it: yes to more is not yes to this", "present"
        return "", UNKNOWN_SAID

    def _adds(self, header: str, found: set[str]) -> bool:
        """Say whether brackets hold more than units, values or other words for what was found: "(mother)"."""
        own = self._own_words(found)
        states = (said for name in found for said in self.words["states"].get(name, {}).values())
        own |= {word for said in chain(*states) for word in fold(said)}
        inside = (text for text in _BRACKETS.findall(header) if not _LEGEND.search(text))
        return any(not word.isdigit() and word not in self._explaining | own for text in inside for word in fold(text))

    def _own_words(self, found: set[str]) -> set[str]:
        return {word for phrase, names in self._phrases.items() if names & found for word in phrase}

    def _other(self, words: Iterable[str], found: set[str]) -> str | None:
        """Give the words by which a name is of somebody or something else than what was found."""
        own, said = self._own_words(found), {*words}
        return next((other for phrase, other in self._others.items() if phrase <= said and not phrase <= own), None)

    def _is_coded(self, header: str) -> bool:
        """Say whether a header asks for a code or a flag, as age_cat, in place of a number."""
        forms = (form for form in self._forms(header) if frozenset(form) not in self._phrases)
        return any(form[-1] in self.words["suffixes"] for form in forms)

    def _named(self, header: str) -> set[str]:
        """Say which variables have the very words of a header, abbreviated or not."""
        for words in self._forms(header):
            if found := self._phrases.get(frozenset(words)):
                return set(found)
        if found := self._said(self._phrases, header):
            return found
        bare = (frozenset(word for word in form if word not in self._units) for form in self._meanings(header))
        numbers = {name for words in bare for name in self._phrases.get(words, ())}
        return numbers if numbers <= {*self.coder.model.numeric_inputs} else set()

    def _before(self, header: str) -> str | None:
        """Name the variable of what a cause was before, where a header says that and the cause alone."""
        for variable, cause, words in self._befores:
            for said, form in product(words, map(frozenset, self._meanings(header))):
                if said < form and cause in self._phrases.get(form - said, ()):
                    return variable
        return None

    def _meanings(self, header: str) -> Iterator[tuple[str, ...]]:
        """Give the words of a header, each abbreviation in full; one with several meanings is each of them."""
        short: dict[str, list[str]] = self.words["abbreviations"]
        for form in self._forms(header):
            yield from (fold(" ".join(words)) for words in product(*(short.get(word, [word]) for word in form)))

    def _found_by_test(self, header: str) -> list[str]:
        """Name the causes of which a column tells what a test found."""
        tests = {*self.words["outcomes"]}
        rests = (frozenset(form) - tests for form in self._forms(header) if tests & set(form))
        causes = set().union(*(self._phrases.get(rest, set()) for rest in rests))
        return [f"true_{name}" for name in sorted(causes)] if causes <= {*self.coder.model.causes} else []

    def _forms(self, header: str) -> list[tuple[str, ...]]:
        """Give the words of a header, as they stand, and without numbers of items, units in brackets or prefixes."""
        forms = [fold(header), fold(_BRACKETS.sub(" ", header)), fold(header.casefold())]
        forms += [self._without_asking(form) for form in forms]
        bare = [form[len(form) > 1 and form[0] in self.words["prefixes"] :] for form in forms[:1]]
        forms += [cover for form in bare if len(form) == 1 for cover in self._covers(form[0])]
        forms += [tuple(word for word in form if not _CODE.fullmatch(word)) for form in forms]
        forms += [form[1:] for form in forms if form[:1] and form[0] in self.words["prefixes"]]
        forms += [form[:-1] for form in forms if form[-1:] and form[-1] in self.words["suffixes"]]
        return list(dict.fromkeys(form for form in forms if form))

    def _without_asking(self, form: tuple[str, ...]) -> tuple[str, ...]:
        """Leave out the words that make a question of a phrase."""
        return tuple(word for word in form if word not in self.words["asking"])

    def _covers(self, glued: str) -> Iterator[tuple[str, ...]]:
        """Take a name of eight letters and the like apart, where words that are known make all of it."""
        for end in range(2, len(glued) - 1):
            if glued[:end] in self._pieces:
                rests = [(glued[end:],)] if glued[end:] in self._pieces else self._covers(glued[end:])
                yield from ((glued[:end], *rest) for rest in rests)

    def day_role(self, header: str) -> str | None:
        """Say whether a column of days is of birth, onset or visit."""
        forms = [frozenset(words) for words in (*self._forms(header), *self._meanings(header))]
        roles: dict[str, list[str]] = self.words["days"]
        return next((role for role, said in roles.items() if any(frozenset(fold(p)) in forms for p in said)), None)

    # Values

    def values(self, variable: str, words: Iterable[str]) -> dict[str, str]:
        """Say what each value, as `word` writes it, means for a variable of states, or that it is unsure."""
        words = list(words)
        answers = {key: {word(v) for v in said} for key, said in self.words["answers"].items()}
        model = self.coder.model
        node = model.askable.get(model.about(variable) if variable in model.numeric_inputs else variable)
        meanings: dict[str, set[str]] = defaultdict(set)
        if node is not None and not node.is_yes_no:
            labels = getattr(node, "state_labels", {})
            by_state = {state: {state, labels.get(state, "")} for state in node.states}
        else:
            by_state = {state: answers[state] for state in ("present", "absent")}
        for state, own in by_state.items():
            for said in (*own, *self.words["states"].get(variable, {}).get(state, ())):
                meanings[word(said)].add(state)
        found = {}
        for value in words:
            means = meanings.get(value) or meanings.get(value.rstrip("."), set())
            if value in UNKNOWN_WORDS or (value in answers["unknown"] and not means):
                found[value] = "unknown"
            else:
                found[value] = next(iter(means)) if len(means) == 1 else UNDECIDED
        if "m" in found and "female" not in found.values():  # with h for hombre, it is mujer
            found["m"] = UNDECIDED
        if found.get("+") == "present" and found.get("-") == UNDECIDED:  # beside a plus it is a minus, alone a blank
            found["-"] = "absent"
        has_yes = any(means == "present" for value, means in found.items() if value not in ("x", "+"))
        for tick in ("x", "+") if has_yes else ("-1",):  # a tick beside a yes is no yes; -1 without one may be it
            if tick in found:
                found[tick] = UNDECIDED
        if found.get("2") == UNDECIDED and "1" in found:  # 1 and 2 are yes and no, or no and yes, or never and former
            found["1"] = UNDECIDED
        return found

    def _candidates(self, names: Iterable[str]) -> list[str]:
        """List what a column may be, an outcome first where it may be one."""
        causes = self.coder.model.causes
        return [said for name in sorted(names) for said in ([f"true_{name}", name] if name in causes else [name])]

    def draft(
        self, table: pa.Table, labels: Mapping[str, str] = {}, reading: Reading | None = None, *, examples: bool = False
    ) -> Draft:
        """Write a mapping for a table; values stand in it only where they are codes, or examples are wanted."""
        self._reading = reading or Reading()
        self._decimal = self._reading.decimal or "."
        cells = {name: _Cells(table[name]) for name in table.column_names}
        dates = {name: found for name, c in cells.items() if (found := c.dates)}
        roles = defaultdict(list)
        for name in dates:
            roles[self.day_role(labels.get(name, "")) or self.day_role(name)].append(name)
        drafts = {
            name: self._days(name, dates, roles) if name in dates else self._column(name, labels.get(name, ""), c)
            for name, c in cells.items()
        }
        self._settle(drafts, cells)
        first = next(iter(cells), "")
        ids = {first, *(name for name, draft in drafts.items() if (draft.entry or {}).get("variable") == CASE_ID)}
        last = {name: word(table[name][-1].as_py()) for name in table.column_names if table.num_rows}
        if any(last.get(name) for name in ids):  # else the word may stand in another column
            last = {name: said for name, said in last.items() if name in ids}
        totals = {name: said for name, said in last.items() if said in self.words["totals"]}
        self._totals = {name: said for name, said in totals.items() if cells[name].counts[said] == 1}
        n_unsure = sum(d.unsure is not None for d in drafts.values())
        n_proposed = sum(d.entry is not None for d in drafts.values())
        text = self._written(drafts, cells, table.num_rows, examples=examples)
        return Draft(text, n_proposed, n_unsure, len(drafts) - n_proposed - n_unsure)

    def _days(self, name: str, dates: Mapping[str, list[str]], roles: Mapping[str | None, list[str]]) -> _Proposal:
        role = next((r for r, names in roles.items() if name in names), None)
        formats = dates[name]
        format: Any = formats[0] if len(formats) == 1 else UNDECIDED
        doubt = "" if len(formats) == 1 else f"{' or '.join(formats)}: both fit every value"
        visits = roles.get("visit", [])
        target = {"birth": "age", "onset": "duration_days"}.get(role or "")
        if role == "visit" and len(visits) == 1:
            return _Proposal({"date": format}, why=doubt)
        if target in self.coder.columns and len(visits) == 1 and len(roles[role]) == 1:
            return _Proposal({"variable": target, "date": format, "until": visits[0]}, why=doubt)
        said = f"days ({' or '.join(formats)})"
        if target:
            return _Proposal(unsure=[target], why=f"{said}; give date and until: the day of the visit")
        return _Proposal(why=said)

    def _column(self, name: str, label: str, cells: _Cells) -> _Proposal:
        choice = _CHOICE.fullmatch(name) or _CHOICE.fullmatch(label)
        header = choice[2] if choice else name
        exact, near = self.variables(header)
        if choice and (before := self._before(f"{choice[1]} {header}")):
            exact, near = set(), {before}
        if choice and not exact and not near:  # what is asked and a choice may say together what neither says
            near = set().union(*self.variables(f"{choice[1]} {header}"))
        if exact and self._other(fold(choice[1] if choice else label), exact):
            exact, near = set(), exact | near
        if not exact and label and not choice:
            exact, also = self.variables(label)
            near |= also
        elif label and not choice:
            said, less = self.variables(label)[0], set().union(*self._kinds(label)[1:])
            if said != exact and (said or less):
                exact, near = set(), exact | said | less
        if not cells.n_filled:
            return _Proposal(why="empty")
        if len(exact) > 1:
            return _Proposal(unsure=self._candidates(exact))
        symptoms = {frozenset(fold(said)) for said in self.words["symptoms"]}
        if not choice and any(frozenset(form) in symptoms for form in self._forms(header)):
            return self._choices(cells)
        if not exact and (tested := self._found_by_test(header) or self._found_by_test(label)):
            return _Proposal(unsure=tested, why="what a test found: the outcome, no evidence; else ignore it")
        if not exact:
            if "___" in name or choice:
                return _Proposal(unsure=self._candidates(near), why="a box to tick")
            is_text = cells.n_distinct > MAX_VALUES and cells.share_of_numbers() < 0.5
            if not near or is_text:
                return _Proposal()
            doubt, unknown = self._doubt(header, label, near)
            why = self._as_bands(near, cells) or doubt or "not its very words"
            return _Proposal(unsure=self._candidates(near), why=why, unknown=unknown)
        (variable,) = exact
        if choice:
            ticked = {"checked": "present", "1": "present", "unchecked": "unknown", "0": "unknown"}
            if self._is_answer(variable) and set(cells.counts) <= set(ticked):
                why = "a box not ticked is unknown; absent only if everybody was asked"
                return _Proposal({"variable": variable, "values": {w: ticked[w] for w in cells.counts}}, why=why)
            return _Proposal(unsure=self._candidates(exact))
        if variable == CASE_ID:
            fits = cells.n_distinct == cells.n_filled
            why = "values repeat: write join: case_id if the rows of one are one case"
            return _Proposal({"variable": CASE_ID}) if fits else _Proposal(unsure=[CASE_ID], why=why)
        if variable == "label":
            return _Proposal(unsure=["label"], why="an outcome: no evidence, wanted by evaluate only; else ignore it")
        if variable in self.coder.model.causes:
            why = f"the outcome (true_{variable}), or a diagnosis that was known before ({variable})?"
            return _Proposal(unsure=[f"true_{variable}", variable], why=why)
        if variable in self.coder.model.numeric_inputs and cells.share_of_numbers() >= 0.5:
            return self._numbers(header + " " + label, variable, cells)
        legend = {word(code): word(said) for code, said in _LEGEND.findall(f"{name} {label}")}
        return self._states(variable, cells, legend)

    def _numbers(self, header: str, variable: str, cells: _Cells) -> _Proposal:
        numeric = self.coder.model.numeric_inputs[variable]
        amounts: dict[str, set[float]] = defaultdict(set)
        for amount, said in self.words["units"].items():
            for unit in said:
                amounts[unit].add(float(amount))
        # A unit of two lengths, as j of jours and of Jahre, is that of the variable, or asked.
        years = {unit: max(found) for unit, found in amounts.items() if numeric.unit == "years"}
        units = {unit: found.copy().pop() for unit, found in amounts.items() if len(found) == 1} | years
        after = {word(u) for u in cells.units()}
        days_of = {unit: units.get(next(iter(fold(unit)), "")) for unit in after}
        entry: dict[str, Any] = {"variable": variable}
        why = ""
        named = [units[w] for w in fold(re.sub(r".*[(\[](.*)[)\]].*", r"\1", header)) if w in units and len(w) > 1]
        in_days = {"days": 1.0, "years": 365.25}.get(numeric.unit)
        if after - {""} or (named and in_days and named[-1] != in_days) or (variable == "duration_days" and not named):
            in_years = numeric.unit == "years" and all(days_of[unit] == in_days for unit in after - {""})
            bare = named[-1] / in_days if named and in_days else 1.0 if in_years else None
            factors = {}
            for unit in sorted(after | ({""} if bare else set())):
                days = days_of.get(unit)
                factor = bare if not unit else None if days is None else days / (in_days or 1.0)
                factors[unit] = UNDECIDED if factor is None else f"{factor:.4g}"
            entry["units"] = factors
            if UNDECIDED in factors.values() and variable == "duration_days":
                why = "in days 1, in weeks 7, in months 30.44"
        outside = [w for w in cells.counts if self._is_outside(variable, w)]
        if outside and "units" not in entry:
            codes = [w for w in outside if w in {word(v) for v in self.words["answers"]["unknown"]}]
            if codes:
                entry["missing"] = codes
        return _Proposal(entry, why=why)

    def _is_outside(self, variable: str, text: str) -> bool:
        number = number_of(text.replace(",", ".") if self._decimal == "," else text)
        if number is None:
            return word(text) not in UNKNOWN_WORDS
        try:
            self.coder.code(variable, number)
        except Refusal:
            return True
        return False

    def _as_bands(self, names: Iterable[str], cells: _Cells) -> str:
        """Say how a column of numbers answers a variable of states, as the body mass index does."""
        numbers = [number_of(text.replace(",", ".")) for text in cells.texts]
        for name in names:
            limits = {state: float(least) for state, least in self.words["bands"].get(name, {}).items()}
            most = limits.pop("most", 0.0)
            if limits and all(number is not None and min(limits.values()) <= number <= most for number in numbers):
                said = {state: f"{least:g}" for state, least in limits.items()}
                return f"as a number {{variable: {name}, bands: {_quoted(said)}}}"
        return ""

    def _states(self, variable: str, cells: _Cells, legend: Mapping[str, str]) -> _Proposal:
        if cells.n_distinct > MAX_VALUES:
            why = f"{cells.n_distinct} different values, too many for a column of codes"
            why = self._as_bands([variable], cells) or why
            return _Proposal(unsure=[variable], why=why)
        if cells.n_distinct > MAX_GRADES and cells.share_of_numbers() == 1.0:
            why = self._as_bands([variable], cells) or "numbers: give bands, the least number of each answer"
            return _Proposal(unsure=[variable], why=why)
        said = {w: legend.get(w, w) for w in cells.counts}  # 1=yes in the header explains a 1
        said_means = self.values(variable, said.values())
        means = {w: said_means[s] for w, s in said.items()}
        shown = {w: m for w, m in means.items() if m != UNDECIDED or cells.may_show(w)}
        if not any(m not in ("unknown", UNDECIDED) for m in means.values()) and not shown:
            return _Proposal(unsure=[variable], why="none of its values is known")
        hidden = len(means) - len(shown)
        why = f"and {hidden} other values, not shown (--examples): add them" if hidden else ""
        return _Proposal({"variable": variable, "values": shown}, why=why)

    def _is_answer(self, variable: str) -> bool:
        """Say whether a tick answers a variable; that of a diagnosis may be the outcome."""
        return self.coder.is_yes_no(variable) and variable not in self.coder.model.causes

    def _choices(self, cells: _Cells) -> _Proposal:
        parts = {mark: cells.split(mark) for mark in _CELL_SEPARATORS}
        mark = max(_CELL_SEPARATORS, key=lambda m: sum(parts[m].values()) if any(m in w for w in cells.counts) else 0)
        counts = parts[mark]
        if len(counts) > MAX_CHOICES:
            return _Proposal(unsure=[], why="free text")
        choices: dict[str, dict[str, str]] = {}
        hidden = 0
        for part, n in counts.items():
            exact, _ = self.variables(part)
            if len(exact) == 1 and self._is_answer(variable := next(iter(exact))):
                choices[part] = {variable: "present"}
            elif len(part) <= MAX_CODE or (n >= MIN_ROWS and len(part) <= MAX_WORD):
                choices[part] = {UNDECIDED: UNDECIDED}
            else:
                hidden += 1
        if not any(UNDECIDED not in said for said in choices.values()):
            return _Proposal(unsure=[], why="free text, or codes that no label explains")
        why = "write what each choice says, as {fever: present}, or {} for nothing"
        why += f"; {hidden} others are not shown (--examples): add them" if hidden else ""
        return _Proposal({"separator": mark, "choices": choices, "others": "unknown"}, why=why)

    def _settle(self, drafts: dict[str, _Proposal], cells: Mapping[str, _Cells]) -> None:
        """Let no two columns set one variable: the one with most cells filled is proposed, the others are unsure."""
        self._ask_sides(drafts)
        by_variable = defaultdict(list)
        for name, draft in drafts.items():
            if draft.entry and "variable" in draft.entry:
                by_variable[draft.entry["variable"]].append(name)
        for variable, names in by_variable.items():
            direct = [n for n in names if "until" not in (drafts[n].entry or {})]
            first = max(direct or names, key=lambda n: cells[n].n_filled)
            for name in names:
                if name != first:
                    why = f"as '{first}' is: ignore it, or say under combine how they go together"
                    drafts[name] = _Proposal(unsure=[variable], why=why)
        used = {d.entry["until"] for d in drafts.values() if d.entry and "until" in d.entry}
        for name, draft in drafts.items():
            if draft.entry and "variable" not in draft.entry and "choices" not in draft.entry and name not in used:
                drafts[name] = _Proposal(why="days that nothing needs")

    def _ask_sides(self, drafts: dict[str, _Proposal]) -> None:
        """Ask about columns of the two sides: which one is meant differs from case to case."""
        written = {tuple(re.findall(r"[^\W_]+", name.casefold())): name for name in drafts}
        for (said, name), (one, other) in product(written.items(), self.words["sides"]):
            twin = written.get(tuple(other if part == one else part for part in said))
            if one not in said or twin is None:
                continue
            for half, against in ((name, twin), (twin, name)):
                about = drafts[half].unsure or [v for k, v in (drafts[half].entry or {}).items() if k == "variable"]
                if about:
                    why = f"of one side, as '{against}' of the other: which is meant?"
                    drafts[half] = _Proposal(unsure=about, why=why, unknown=None)

    # YAML

    def _written(
        self, drafts: Mapping[str, _Proposal], cells: Mapping[str, _Cells], n_rows: int, *, examples: bool
    ) -> str:
        model = self.coder.model
        lines = [
            f"# What the columns of a file of {n_rows:,} rows mean to {model.name}: a draft. Read it, mend it, then",
            "#   kneebayes map FILE --check mapping.yaml    (what each cell becomes)",
            "#   kneebayes score FILE --map mapping.yaml",
            "# Decide every `unsure`. What is not said here is refused, never guessed. Names: `kneebayes model`.",
            "format: 1",
            f"model: {model.name}",
        ]
        read = {k: v for k, v in self._reading.model_dump().items() if v is not None}
        if read:
            lines.append("read:  # as the file looks; mend it if that is wrong")
            for key, value in read.items():
                lines.append(f"  {key}: {_quoted(value[0] if key == 'header' and len(value) == 1 else value)}")
        lines.append(
            'missing: []  # words for nothing in every column, as ["-9", "n.a."]; an empty cell is nothing anyway'
        )
        comments = {name: self._comment(draft, cells[name], examples) for name, draft in drafts.items()}
        comments |= {n: comments[n] + self._ready(d, cells[n]) for n, d in drafts.items() if d.unsure}
        proposed = {name: draft.entry for name, draft in drafts.items() if draft.entry}
        unsure = {name: draft.unsure for name, draft in drafts.items() if draft.unsure is not None}
        rest = [name for name in drafts if name not in proposed and name not in unsure]
        if self._totals:
            lines.append("rows:  # totals at the bottom are no case; take this out if that is wrong")
            lines += [f"  {_quoted(name)}: [{_quoted(said)}]" for name, said in self._totals.items()]
        lines.append("columns:" + ("" if proposed else " {}"))
        for name, entry in proposed.items():
            counts = cells[name].counts if examples else {}
            lines += _entry(f"  {_quoted(name)}:", entry, comments[name], counts)
        if unsure:
            lines.append(f"unsure:  {REMEDY}")
            lines += [f"  {_quoted(name)}: [{', '.join(some)}]{comments[name]}" for name, some in unsure.items()]
        lines.append("ignore:" + ("" if rest else " []"))
        lines += [f"  - {_quoted(name)}{comments[name]}" for name in rest]
        return "\n".join(lines) + "\n"

    def _ready(self, draft: _Proposal, cells: _Cells) -> str:
        """Write the values of an unsure column as they would stand in its entry, where they are clear but for it."""
        variables = {name.removeprefix(NOT_EVIDENCE_PREFIX) for name in draft.unsure or ()}
        if len(variables) > 1 or draft.unknown is None:
            return ""
        variable = min(variables)
        if not self.coder.is_yes_no(variable) and variable not in self.coder.model.numeric_inputs:
            return ""  # its values are no words for what is asked
        values = ((self._states(variable, cells, {}).entry or {}).get("values")) or {}
        softened = {theirs: UNKNOWN_SAID if ours == draft.unknown else ours for theirs, ours in values.items()}
        is_read = softened == values and {*values} <= {*SYNONYMS, *UNKNOWN_WORDS}
        if UNDECIDED in values.values() or is_read:
            return ""
        return f"; values: {{{', '.join(f'{_quoted(theirs)}: {ours}' for theirs, ours in softened.items())}}}"

    def _comment(self, draft: _Proposal, cells: _Cells, examples: bool) -> str:
        said = [f"{cells.n_filled:,} filled", draft.why]
        other = "." if self._decimal == "," else ","
        if cells.has_decimals(other) and (draft.entry or draft.unsure):
            said.append(f'if {other} is its decimal sign, write decimal: "{other}" under read')
        if examples and (draft.entry or {}).get("variable") != CASE_ID:
            shown = (json.dumps(w, ensure_ascii=False) for w in list(cells.counts)[:MAX_EXAMPLES])
            said.append(f"such as {', '.join(shown)}")
        return f"  # {'; '.join(filter(None, said))}"


def _entry(head: str, entry: Mapping[str, Any], comment: str, counts: Mapping[str, int]) -> list[str]:
    """Write what is proposed of one column; ``counts`` are the rows of each value, where they are to be told."""
    if set(entry) == {"variable"}:
        return [f"{head} {entry['variable']}{comment}"]
    lines = [f"{head}{comment}"]
    for key, value in entry.items():
        if isinstance(value, dict):
            lines.append(f"    {key}:")
            for theirs, ours in value.items():
                counted = f"  # {counts[theirs]} rows" if theirs in counts else ""
                lines.append(f"      {_quoted(theirs)}: {_quoted(ours)}{counted}")
        else:
            lines.append(f"    {key}: {_quoted(value)}")
    return lines


class _Cells:
    """What stands in a column: distinct words with their numbers of rows, the most frequent first."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        is_nested = pa.types.is_nested(column.type)  # nothing that an answer could be
        encoded = encode_column(pa.nulls(len(column)) if is_nested else column)
        rows = Counter(encoded.index.tolist())
        texts = {i: str(value).strip() for i, value in enumerate(encoded.values) if value is not None}
        counts: Counter[str] = Counter()
        for i, text in texts.items():
            if text:
                counts[word(text)] += rows[i]
        self.counts = dict(counts.most_common())
        self.texts = [text for text in dict.fromkeys(texts.values()) if text]
        self.n_filled, self.n_distinct = sum(self.counts.values()), len(self.counts)

    def may_show(self, value: str) -> bool:
        """Say whether a value is a code, and not something that may name a person."""
        return len(value) <= MAX_CODE or (len(value) <= MAX_WORD and self.counts[value] >= MIN_ROWS)

    def share_of_numbers(self) -> float:
        numbers = [t for t in self.texts if re.match(r"[-+]?\d+([.,]\d+)?(?!\d*[./-]\d)", t)]
        return len(numbers) / max(1, len(self.texts))

    def has_decimals(self, sign: str) -> bool:
        return any(re.fullmatch(rf"[-+]?\d+[{sign}]\d{{1,2}}(\s*[^\W\d]+)?", text) for text in self.texts)

    def units(self) -> set[str]:
        found = (re.fullmatch(r"[-+]?\d+(?:[.,]\d+)?\s*([^\W\d]+\.?)?", text) for text in self.texts)
        return {(match[1] or "").rstrip(".") for match in found if match}

    @cached_property
    def dates(self) -> list[str]:
        """The formats in which nearly all values are days; two where day and month can't be told apart."""
        texts = pd.Series([text for text in self.texts if text[:1].isdigit() and len(text) >= MIN_DAY], dtype=object)
        if len(texts) < max(1, 0.8 * len([t for t in self.texts if word(t) not in UNKNOWN_WORDS])):
            return []
        found = []
        for format in DATES:
            for written in (format, f"{format} hh:mm", f"{format} hh:mm:ss"):
                if texts.str.len().median() > len(written) + 2:
                    continue
                days = pd.to_datetime(texts, format=strptime_format(written), errors="coerce")
                if days.notna().mean() >= 0.9:
                    found.append((float(days.notna().mean()), written))
        best = max((share for share, _ in found), default=0.0)
        return [written for share, written in found if share == best]

    def split(self, mark: str) -> Counter[str]:
        counts: Counter[str] = Counter()
        for text, n in self.counts.items():
            for part in dict.fromkeys(part.strip() for part in text.split(mark)):
                if part:
                    counts[part] += n
        return counts


@cache
def _words() -> dict[str, Any]:
    """Read what columns and values are called elsewhere."""
    content, _ = read_words(model_path("synonyms"), "list of synonyms")
    return dict(content)


def _quoted(value: object) -> str:
    """Write a word in YAML, quoted where it needs it, or a list of them, or names with what they say."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_quoted, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {said}' for name, said in value.items())}}}"
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
