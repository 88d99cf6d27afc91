"""The interview: its order, what it takes for an answer, when it ends, and how it is in a terminal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pexpect
import pytest

import kneebayes as kb
from kneebayes.diagnosis.questions import open_questions
from kneebayes.errors import CaseError, FileFormatError
from kneebayes.ui.ask import CaseFile, _new_id, converse, standing
from kneebayes.ui.session import End, Interview

ROOT = Path(__file__).parents[2]
MODEL = kb.load_model()
KEYS = MODEL.file.alarm.key_questions
COMMAND = [sys.executable, "-c", "from kneebayes.ui.cli import main; main()", "ask"]


def interview(facts: Mapping[str, object] | None = None, **options: Any) -> Interview:
    return Interview(lambda known: MODEL.diagnose(known), facts, **options)


def asked(held: Interview) -> str:
    assert held.question is not None
    return held.question.variable


def answer_all(held: Interview, answers: Mapping[str, str], otherwise: str = "no", most: int = 100) -> list[str]:
    """Answer what is asked, up to the end; list the questions."""
    order: list[str] = []
    while held.question is not None and len(order) < most:
        order.append(asked(held))
        held.answer(answers.get(order[-1], "40" if held.hint() == "in years" else "1" if held.choices() else otherwise))
    return order


class TestOrder:
    """Which question comes next."""

    def test_key_questions_come_first_and_what_they_depend_on_before_them(self) -> None:
        order = answer_all(interview(), {"sex": "female"})
        last_key = max(order.index(name) for name in KEYS)
        assert set(order[: last_key + 1]) == {*KEYS, "age", "sex"}
        assert order.index("age") < order.index("pregnancy")
        assert order.index("sex") < order.index("pregnancy")

    def test_no_man_is_asked_of_a_pregnancy(self) -> None:
        assert "pregnancy" not in answer_all(interview(), {"sex": "male"})

    def test_then_the_most_informative_per_cost(self) -> None:
        facts = dict.fromkeys(KEYS, "no") | {"pregnancy": "not_pregnant", "age": 50, "sex": "female"}
        held = interview(facts)
        assert asked(held) == MODEL.diagnose(facts).next_questions(n=1).index[0]

    def test_what_is_given_is_not_asked(self) -> None:
        given = {"age": 67, "unilateral_leg_swelling": "present:0.7", "duration_days": 3}
        order = answer_all(interview(given), {}, most=30)
        assert not {"age", "unilateral_leg_swelling", "pain_over_6_weeks"} & set(order)

    @pytest.mark.slow
    def test_no_question_comes_twice_even_if_nobody_knows(self) -> None:
        order = answer_all(interview(stop_below=0), {}, otherwise="don't know", most=200)
        assert len(order) == len(set(order))


class TestAnswers:
    """What is taken for an answer."""

    def at(self, name: str) -> Interview:
        """Start an interview with a question, whatever would come first."""
        held = interview()
        found = {q: None for q in MODEL.diagnose({}).next_questions(n=None).index}
        for _ in range(len(found)):
            if asked(held) == name:
                return held
            held.answer("")
        raise AssertionError(f"{name} was never asked")

    @pytest.mark.parametrize(
        ("name", "text", "state"),
        [
            ("unilateral_leg_swelling", "yes", "present"),
            ("unilateral_leg_swelling", " Y ", "present"),
            ("unilateral_leg_swelling", "n", "absent"),
            ("unilateral_leg_swelling", "present", "present"),
            ("unilateral_leg_swelling", "abs", "absent"),
            ("age", "67", "sixties"),
            ("age", "70 or older", "seventy_plus"),
            ("age", "forties", "forties"),
            ("sex", "2", "male"),
            ("sex", "fem", "female"),
            ("pregnancy", "neither", "not_pregnant"),
            ("pregnancy", "gave birth", "postpartum_6_weeks"),
        ],
    )
    def test_words_numbers_and_beginnings(self, name: str, text: str, state: str) -> None:
        held = self.at(name)
        held.answer(text)
        assert held.dx.evidence[name] == state

    @pytest.mark.parametrize("text", ["", "  ", "don't know", "Don’t  know", "unknown", "not sure"])  # noqa: RUF001
    def test_not_known_is_left_open(self, text: str) -> None:
        held = interview()
        first = asked(held)
        held.answer(text)
        assert first not in held.facts
        assert held.n_asked == 1
        assert asked(held) != first

    def test_unsure_answers_are_likelihoods(self) -> None:
        held = self.at("unilateral_leg_swelling")
        held.answer("present:0.8")
        assert held.dx.probabilities == MODEL.diagnose({"unilateral_leg_swelling": "present:0.8"}).probabilities

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "text", "hint"),
        [
            ("unilateral_leg_swelling", "perhaps", "yes/no"),
            ("unilateral_leg_swelling", "maybe:0.5", "not a state"),
            ("unilateral_leg_swelling", "present:2", "add up to more than 1"),
            ("age", "old", "in years"),
            ("age", "200", "outside 0 to 110"),
            ("age", "-3", "outside 0 to 110"),
            ("sex", "3", "1-2"),
            ("sex", "0", "1-2"),
            ("sex", "yes", "1-2"),
            ("pregnancy", "p", "1-3"),
        ],
    )
    def test_what_is_not_understood_is_asked_again(self, name: str, text: str, hint: str) -> None:
        held = self.at(name)
        before = held.n_asked
        with pytest.raises(CaseError, match=hint):
            held.answer(text)
        assert asked(held) == name
        assert held.n_asked == before

    def test_numbered_choices_are_the_words_of_the_model(self) -> None:
        assert self.at("sex").choices() == ["female", "male"]
        assert self.at("age").choices() == []

    def test_back_takes_answers_back_one_by_one(self) -> None:
        held = interview()
        start, first = held.dx.probabilities, asked(held)
        held.answer("yes")
        second = asked(held)
        held.answer("")
        assert held.back()
        assert asked(held) == second
        assert held.back()
        assert asked(held) == first
        assert held.dx.probabilities == start
        assert held.facts == {}
        assert not held.back()


class TestEnd:
    """When there is no further question."""

    def test_an_emergency_ends_it_at_once(self) -> None:
        held = interview({"breathlessness_chest_pain": "yes"})
        while held.question is not None:
            held.answer("yes" if asked(held) == "unilateral_leg_swelling" else "")
        assert held.end == End.emergency
        assert held.dx.alarm.level == "emergency"
        assert held.n_asked <= 2

    def test_it_ends_where_no_answer_is_likely_to_change_alarm_or_top(self) -> None:
        held = interview(stop_below=0.1)
        order = answer_all(held, {"recent_knee_injury": "yes", "knee_locking": "yes", "pop_at_injury": "yes"})
        assert held.end == End.settled
        left = held.dx.next_questions(n=None)
        left = left[~left.index.isin(order)]
        assert len(left) > 0
        assert left[["alarm_change", "top_change"]].to_numpy().max() < 0.1
        assert held.back()
        assert held.end is None

    @pytest.mark.slow
    def test_with_0_everything_is_asked(self) -> None:
        held = interview({"sex": "male"}, stop_below=0)
        order = answer_all(held, {})
        assert held.end == End.exhausted
        assert len(order) == len(MODEL.file.asked) - 3  # complaint, sex, pregnancy
        with pytest.raises(CaseError, match="no question"):
            held.answer("yes")

    @pytest.mark.parametrize("stop_below", [-0.1, 1.1, float("nan")])
    def test_the_share_must_be_a_probability(self, stop_below: float) -> None:
        with pytest.raises(CaseError, match="probability"):
            interview(stop_below=stop_below)


class TestTalk:
    """The loop without a terminal."""

    def talk(self, *lines: str, facts: Mapping[str, object] | None = None) -> tuple[Interview, str]:
        held, answers = interview(facts), io.StringIO("".join(f"{line}\n" for line in lines))
        with pytest.MonkeyPatch.context() as patch, redirect_stderr(io.StringIO()) as told:
            patch.setattr("sys.stdin", answers)
            converse(held)
        return held, told.getvalue()

    def test_running_top_and_alarm(self) -> None:
        held, text = self.talk("yes")
        assert standing(held.dx) in text
        assert text.count("Likeliest") == 1
        assert standing(held.dx).count("%") == 4
        assert "Alarm: CAUTION" in text
        assert held.dx.alarm.advice in text

    def test_advice_is_given_once(self) -> None:
        held, text = self.talk("yes", "", "", "")
        assert text.count(held.dx.alarm.advice) == 1

    def test_help_back_and_quit(self) -> None:
        held, text = self.talk("back", "help", "yes", "b", "q", "yes")
        assert "This is the first question." in text
        assert "present:0.8" in text
        assert "Taken back." in text
        assert held.n_asked == 0

    def test_the_end_is_said(self) -> None:
        _, text = self.talk(facts={"breathlessness_chest_pain": "yes", "age": 70})
        assert "No more questions: this comes first." in text

    def test_warnings_are_shown(self) -> None:
        lines = ["no", "no", "no", "no", "no", "no", "15"]
        _, text = self.talk(*lines)
        assert "for anyone under 18 they may mislead" in text


class TestCaseFile:
    """Cases added to a CSV."""

    CASE: Mapping[str, object] = {"age": "67", "calf_pain": "absent:0.2, present:0.8", "sex": "male"}

    def test_a_new_file_can_be_scored(self, tmp_path: Path) -> None:
        path = tmp_path / "cases.csv"
        for name in ("a", "b, c"):
            CaseFile(path, MODEL.file).append(self.CASE, name)
        counts = kb.score_file(path, tmp_path / "out.csv", model=MODEL, quiet=True)
        assert (counts.scored, counts.rejected) == (2, 0)
        scored = pd.read_csv(tmp_path / "out.csv")
        assert scored["case_id"].tolist() == ["a", "b, c"]
        assert scored["dvt"].tolist() == pytest.approx([MODEL.diagnose(self.CASE).probabilities["dvt"]] * 2)

    @pytest.mark.parametrize("end", ["\n", "\r\n", ""], ids=["unix", "windows", "no end of line"])
    def test_a_file_that_is_there_keeps_its_columns_and_ends_of_lines(self, tmp_path: Path, end: str) -> None:
        path = tmp_path / "cases.CSV"
        header = ["note", *reversed(MODEL.file.asked)]
        ending = end or "\n"
        path.write_bytes(("\ufeff" + ",".join(header) + ending + "old" + "," * (len(header) - 1) + end).encode())
        CaseFile(path, MODEL.file).append(self.CASE, "unused")
        data = path.read_bytes()
        assert data.count(ending.encode()) == 3
        assert data.count(b"\n") == 3
        rows = pd.read_csv(path)
        assert list(rows) == header
        assert rows["note"].tolist()[0] == "old"
        assert rows["age"].tolist()[1] == 67

    def test_an_empty_file_gets_a_header(self, tmp_path: Path) -> None:
        path = tmp_path / "cases.csv"
        path.touch()
        CaseFile(path, MODEL.file).append(self.CASE, "a")
        assert pd.read_csv(path)["case_id"].tolist() == ["a"]

    def test_what_cannot_be_added_to_is_refused_before_any_question(self, tmp_path: Path) -> None:
        (tmp_path / "few.csv").write_text("age,sex\n1,male\n")
        (tmp_path / "semicolon.csv").write_text(";".join([*MODEL.file.variables]) + "\n")
        (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
        (tmp_path / "folder.csv").mkdir()
        (tmp_path / "twice.csv").write_text(",".join([*MODEL.file.asked, "age"]) + "\n")
        refused = {
            "few.csv": "no column sport, pregnancy, .* more: give a new file",
            "semicolon.csv": "no column",
            "bytes.csv": "header",
            "folder.csv": "no ordinary file",
            "twice.csv": "twice",
            "cases.parquet": "ends in .csv",
            "nowhere/cases.csv": "no folder",
        }
        for name, reason in refused.items():
            with pytest.raises(FileFormatError, match=reason):
                CaseFile(tmp_path / name, MODEL.file)

    def test_a_value_without_a_column_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "cases.csv"
        path.write_text(",".join(MODEL.file.asked) + "\n")
        with pytest.raises(FileFormatError, match="no column duration_days"):
            CaseFile(path, MODEL.file).append({"duration_days": "3"}, "a")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Any]:
    """Start the interview in a terminal."""
    started = []

    def start(*arguments: str) -> Any:
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        child = pexpect.spawn(
            COMMAND[0],
            [*COMMAND[1:], *arguments],
            cwd=str(tmp_path),
            env={**os.environ, "PYTHONPATH": path},
            encoding="utf-8",
            timeout=60,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


@pytest.mark.slow
class TestTerminal:
    """In a real terminal."""

    def test_an_interview_from_the_first_question_to_the_saved_case(self, terminal: Any, tmp_path: Path) -> None:
        child = terminal("--save", "mine.csv", "--case-id", "me", "age=67", "sex=male")
        child.expect("not a medical device")
        child.expect(r"1\. .*\?")
        child.expect("> ")
        child.sendline("what")
        child.expect("'what' is not understood: answer yes/no")
        child.expect("> ")
        child.sendline("yes")
        child.expect("Alarm: (CAUTION|URGENT).*Likeliest: .*%, .*%, .*%")
        child.expect("(Speak to a clinician|Be seen by a doctor) today")
        child.expect("2\\. .*> ")
        child.sendline("back")
        child.expect("Taken back")
        child.expect("1\\. .*> ")
        child.sendline("no")
        for _ in range(70):
            prompts = [r"\[yes/no[^>]*> ", r"\[[^y][^>]*> ", "Nothing left to ask is likely to change the picture"]
            place = child.expect([*prompts, pexpect.EOF])
            if place > 1:
                break
            child.sendline("" if place else "no")  # how long it has lasted is not known
        child.expect("DVT alarm: LOW")
        child.expect("Why Deep vein thrombosis")
        child.expect("saved as me in mine.csv")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
        saved = pd.read_csv(tmp_path / "mine.csv")
        assert saved["case_id"].tolist() == ["me"]
        assert saved["age"].tolist() == [67]
        assert saved["unilateral_leg_swelling"].tolist() == ["absent"]
        assert saved["dvt"].isna().all()

    def test_ctrl_c_stops_cleanly_and_saves_nothing(self, terminal: Any, tmp_path: Path) -> None:
        child = terminal("--save", "mine.csv")
        child.expect("> ")
        child.sendline("yes")
        child.expect("2\\. .*> ")
        child.sendintr()
        child.expect("kneebayes: stopped; nothing was saved")
        child.expect(pexpect.EOF)
        child.wait()
        assert "Traceback" not in child.before
        assert child.exitstatus == 130
        assert not (tmp_path / "mine.csv").exists()

    def test_ctrl_d_ends_with_the_result_so_far(self, terminal: Any) -> None:
        child = terminal()
        child.expect("> ")
        child.sendline("yes")
        child.expect("2\\. .*> ")
        child.sendeof()
        child.expect("DVT alarm: CAUTION")
        child.expect("One lower leg swollen: yes: raises the odds of Deep vein thrombosis")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0


def command(*arguments: str, stdin: bytes, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, check=False, cwd=cwd, env=env)


@pytest.mark.slow
def test_the_result_goes_to_standard_output_and_the_talk_to_standard_error(tmp_path: Path) -> None:
    done = command("--save", "mine.csv", stdin=b"\xff\xfe\nyes\nq\n", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.decode().startswith(MODEL.file.title)
    assert "swollen than the other?" in done.stderr.decode()
    assert "is not understood" in done.stderr.decode()
    assert "DVT alarm" not in done.stderr.decode()
    assert (tmp_path / "mine.csv").exists()


def test_nothing_answered_is_not_saved(tmp_path: Path) -> None:
    done = command("--save", "mine.csv", stdin=b"", cwd=tmp_path)
    assert done.returncode == 0
    assert "nothing was saved" in done.stderr.decode()
    assert not (tmp_path / "mine.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--save", "a.parquet"], "ends in .csv"),
        (["--case-id", "a"], "goes with --save"),
        (["--save", "a.csv", "--case-id", "a\udcff"], "no UTF-8 text"),
        (["--stop-below", "2"], "probability"),
        (["calf_pian=yes"], "calf_pain"),
    ],
    ids=["ending", "id", "bytes", "share", "name"],
)
def test_bad_options_are_refused_before_any_question(arguments: list[str], reason: str, tmp_path: Path) -> None:
    done = command(*arguments, stdin=b"yes\n", cwd=tmp_path)
    assert done.returncode == 2
    assert reason in done.stderr.decode()
    assert "swollen" not in done.stderr.decode()
    assert not list(tmp_path.iterdir())


def test_cases_saved_at_once_have_ids_of_their_own_with_a_zone() -> None:
    names = [_new_id() for _ in range(1000)]
    assert len(set(names)) == 1000
    assert datetime.fromisoformat(names[0].rpartition("-")[0]).tzinfo is not None


def test_answers_that_cannot_come_are_not_offered() -> None:
    told = interview({"sex": "female", "pregnancy": "pregnant"})
    told.question = next(question for question in open_questions(told.dx.assessment) if question.variable == "age")
    assert told._control is not None
    assert [state for _, state in told._control.choices] == list(MODEL.file.variables["age"].states[:-2])
