"""The commands as a user meets them: results, messages, exit codes, and what they don't import."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import kneebayes as kb
from kneebayes.spec.yaml_io import DEFAULT_MODEL, model_path
from kneebayes.ui.cli import app

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from kneebayes.ui.cli import main; main()"]
EXAMPLE = ["age=67", "sex=male", "long_travel=yes", "unilateral_leg_swelling=yes"]


def run(*arguments: str | Path, code: int = 0) -> str:
    """Run a command in this process; give standard output and standard error together."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def process(*arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command as a process of its own."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
    )


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    path = tmp_path / "cases.csv"
    path.write_text(
        "case_id,age,sex,pregnancy,calf_pain,note\n1,67,male,,yes,a\n2,200,,,,b\n3,30,male,pregnant,,c\n4,12,,,,d\n"
    )
    return path


class TestStart:
    """Help, version, and what starting costs."""

    def test_help_names_every_command(self) -> None:
        text = run("--help")
        for command in ("score", "diagnose", "model", "template", "simulate"):
            assert f"\n  {command} " in text
            assert run(command, "--help").startswith("Usage: ")
        assert "not a medical device" in text

    def test_version(self) -> None:
        assert run("--version").strip() == f"kneebayes {kb.__version__}"

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("arguments", "heavy"),
        [
            (["--help"], {"pandas", "pgmpy", "pyarrow", "numba", "matplotlib", "scipy"}),
            (["diagnose", *EXAMPLE], {"pandas", "pgmpy", "pyarrow", "numba", "matplotlib", "scipy"}),
            (["model"], {"pandas", "pgmpy", "pyarrow", "numba", "matplotlib", "scipy"}),
            (["template"], {"pgmpy", "numba", "matplotlib", "scipy"}),
        ],
        ids=lambda value: value[0] if isinstance(value, list) else "",
    )
    def test_what_is_not_needed_is_not_imported(self, arguments: list[str], heavy: set[str]) -> None:
        script = (
            "import sys\nfrom kneebayes.ui.cli import app\n"
            f"try:\n    app({arguments})\nexcept SystemExit as end:\n    assert end.code in (0, None), end.code\n"
            f"print(sorted(set(sys.modules) & {heavy}), file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
        assert done.stderr.strip().endswith("[]")

    @pytest.mark.parametrize(
        "arguments", [["modle"], ["score"], ["--nope"], ["simulate", "-n", "x"], ["simulate", "-n", "-3"]]
    )
    def test_wrong_usage_ends_with_2(self, arguments: list[str]) -> None:
        run(*arguments, code=2)


class TestDiagnose:
    """One case."""

    def test_prints_alarm_posterior_and_disclaimer(self) -> None:
        text = run("diagnose", *EXAMPLE)
        dx = kb.load_model().diagnose(dict(fact.split("=") for fact in EXAMPLE))
        assert text.rstrip("\n") == str(dx)

    def test_json_holds_what_the_api_gives(self) -> None:
        content = json.loads(run("diagnose", "--json", *EXAMPLE))
        dx = kb.load_model().diagnose(dict(fact.split("=") for fact in EXAMPLE))
        assert content["posterior"] == dx.probabilities
        assert content["details"] == dx.details
        assert (content["alarm"]["level"], content["alarm"]["reasons"]) == (dx.alarm.level, dx.alarm.reasons)
        assert content["red_flags"] == dx.red_flags
        assert content["evidence"]["long_travel"] == "present"

    @pytest.mark.slow
    def test_pgmpy_agrees(self) -> None:
        exact = json.loads(run("diagnose", "--json", *EXAMPLE))
        pgmpy = json.loads(run("diagnose", "--json", "--engine", "pgmpy", *EXAMPLE))
        assert pgmpy["posterior"] == pytest.approx(exact["posterior"], abs=1e-9)

    def test_nothing_known_is_a_case_too(self) -> None:
        assert json.loads(run("diagnose", "--json"))["alarm"]["level"] == "not_assessed"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["calf_pain"], "'calf_pain' is not NAME=VALUE"),
            (["=yes"], "is not NAME=VALUE"),
            (["calf_pian=yes"], "Did you mean 'calf_pain'?"),
            (["calf_pain=maybe"], "absent, present"),
            (["age=200"], "age '200'"),
            (["age=67", "age=68"], "'age' is given twice: 67 and 68"),
            (["sex=male", "pregnancy=pregnant"], "contradict each other"),
            (["age=6", "--engine", "magic"], "magic"),
            (["age=67", "--caution", "2"], "caution 2"),
            (["age=67", "--harm-miss", "3"], "go together"),
            (["age=67", "--harm-miss", "3", "--harm-false-alarm", "0"], "over 0"),
            (["age=67", "--harm-miss", "3", "--harm-false-alarm", "1", "--caution", "0.1"], "one or the other"),
            (["age=67", "--model", "nope"], "no model 'nope'"),
            (["age=67", "--model", "nope.yaml"], "nope.yaml"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_errors_are_one_line_and_exit_code_2(self, arguments: list[str], message: str) -> None:
        text = run("diagnose", *arguments, code=2)
        assert message in text
        assert "Traceback" not in text
        if not text.startswith("Usage"):
            assert text.startswith("kneebayes: ")
            assert len(text.splitlines()) == 1

    @pytest.mark.slow
    def test_thresholds_are_the_users_to_set(self) -> None:
        def level(*options: str) -> str:
            return str(json.loads(run("diagnose", "--json", "age=67", "calf_pain=yes", *options))["alarm"]["level"])

        assert level("--caution", "0.0001", "--urgent", "0.001") == "urgent"
        assert level("--caution", "0.0001", "--urgent", "0.9") == "caution"
        assert level("--caution", "0.9", "--urgent", "0.95") == "not_assessed"
        assert level("--harm-miss", "9999", "--harm-false-alarm", "1", "--urgent", "0.9") == "caution"
        assert level("--harm-miss", "1", "--harm-false-alarm", "99", "--urgent", "0.995") == "not_assessed"
        alone = run("diagnose", "age=67", "--harm-miss", "1", "--harm-false-alarm", "99", code=2)
        assert "give both where only one was given" in alone

    @pytest.mark.slow
    def test_a_terminal_without_the_bars_still_gets_the_answer(self) -> None:
        done = process("diagnose", *EXAMPLE, env={"PYTHONIOENCODING": "ascii"})
        assert done.returncode == 0
        assert "Deep vein thrombosis" in done.stdout

    @pytest.mark.slow
    def test_the_answer_does_not_depend_on_the_hash_seed(self) -> None:
        answers = {process("diagnose", *EXAMPLE, env={"PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")}
        assert len(answers) == 1


class TestModel:
    """What the model holds."""

    def test_lists_variables(self) -> None:
        text = run("model")
        for name in ("dvt", "long_travel", "unilateral_leg_swelling"):
            assert f"    {name}: absent | present" in text

    def test_sources_as_text_and_as_csv(self) -> None:
        assert "causes.dvt.leak" in run("model", "--sources")
        rows = list(csv.DictReader(io.StringIO(run("model", "--sources", "--csv"))))
        assert {"causes.dvt.leak", "alarm.thresholds.caution"} <= {row["place"] for row in rows}
        assert all(row["basis"] and row["why"] for row in rows)

    def test_check_accepts_the_shipped_model(self) -> None:
        text = run("model", "--check", model_path(DEFAULT_MODEL))
        assert text.startswith("ok: posterior_knee_pain")
        assert "9 causes" in text

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("a: 1", "name: Field required"),
            ("[", "not a safe YAML file"),
            ("", "model.yaml"),
            ("!!python/object/apply:os.system ['true']", "not a safe YAML file"),
        ],
        ids=["other_keys", "not_yaml", "empty", "unsafe"],
    )
    def test_check_says_what_is_wrong(self, tmp_path: Path, content: str, message: str) -> None:
        path = tmp_path / "model.yaml"
        path.write_text(content)
        text = run("model", "--check", path, code=2)
        assert text.startswith(f"kneebayes: {path}")
        assert message in text

    def test_check_names_the_place_of_a_wrong_number(self, tmp_path: Path) -> None:
        path = tmp_path / "model.yaml"
        text = model_path(DEFAULT_MODEL).read_text(encoding="utf-8")
        place = text.index("p: ", text.index("\ncauses:"))
        path.write_text(text[:place] + "p: 7 #" + text[place:], encoding="utf-8")
        assert "causes." in run("model", "--check", path, code=2)

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--csv"],
            ["--check", "x.yaml", "--sources"],
            ["--check", "nope.yaml"],
            ["--card", "--sources"],
            ["--card", "--schema"],
            ["--diff", "extended", "nope"],
            ["--diff", "extended", "extended", "--model", "extended"],
        ],
    )
    def test_options_that_do_not_go_together(self, arguments: list[str]) -> None:
        assert run("model", *arguments, code=2).startswith("kneebayes: ")

    @pytest.mark.slow
    def test_diff_of_a_model_and_a_copy_in_which_a_number_was_changed(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        text = model_path(DEFAULT_MODEL).read_text(encoding="utf-8")
        path.write_text(text.replace("caution: {p: 0.02,", "caution: {p: 0.04,"), encoding="utf-8")
        told = run("model", "--diff", DEFAULT_MODEL, path)
        assert "## Numbers moved by more than half their odds: 1\n" in told
        assert "| alarm.thresholds.caution | 0.02 | 0.04 | 2.04 |" in told

    @pytest.mark.slow
    def test_a_model_file_of_ones_own(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text(model_path(DEFAULT_MODEL).read_text(encoding="utf-8"), encoding="utf-8")
        assert run("model", "--model", path) == run("model")


class TestTemplate:
    """A file to fill in."""

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
    def test_scores_without_a_reject(self, tmp_path: Path, name: str) -> None:
        path, target = tmp_path / name, tmp_path / f"scored_{name}"
        assert str(path) in run("template", "-o", path)
        assert "1 row read: 1 scored, 0 rejected" in run("score", path, "-o", target)

    @pytest.mark.slow
    def test_to_standard_output_is_nothing_but_the_table(self) -> None:
        done = process("template")
        assert done.stderr == ""
        header, row = csv.reader(io.StringIO(done.stdout))
        assert len(header) == len(row)
        assert {"case_id", "age", "duration_days", "dvt"} <= set(header)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["t.xlsx", "nowhere/t.csv"])
    def test_a_place_that_cannot_be_written(self, tmp_path: Path, name: str) -> None:
        assert run("template", "-o", tmp_path / name, code=2).startswith("kneebayes: ")
        assert list(tmp_path.iterdir()) == []


class TestSimulate:
    """Files of drawn cases."""

    @pytest.mark.slow
    def test_is_the_same_in_a_file_and_on_standard_output(self, tmp_path: Path) -> None:
        path = tmp_path / "cases.csv"
        assert "300 cases, seed 4" in run("simulate", "-n", "300", "--seed", "4", "-o", path)
        done = process("simulate", "-n", "300", "--seed", "4", "--quiet", env={"PYTHONHASHSEED": "5"})
        assert (done.stdout, done.stderr) == (path.read_text(), "")

    def test_makes_what_the_api_makes(self, tmp_path: Path) -> None:
        path = tmp_path / "cases.parquet"
        run("simulate", "-n", "300", "--seed", "4", "--missing", "0.2,0.7", "--with-causes", "-o", path)
        expected = kb.load_model().simulate(300, seed=4, missing=(0.2, 0.7), with_causes=True)
        found = pd.read_parquet(path)
        assert list(found.columns) == list(expected.columns)
        assert (found.isna().to_numpy() == expected.isna().to_numpy()).all()
        known = expected.notna().to_numpy()
        assert (found.astype(object).to_numpy()[known] == expected.astype(object).to_numpy()[known]).all()

    def test_can_be_scored(self, tmp_path: Path) -> None:
        path, target = tmp_path / "cases.csv", tmp_path / "out.csv"
        run("simulate", "-n", "200", "--seed", "4", "--with-causes", "-o", path)
        assert "200 rows read: 200 scored, 0 rejected" in run("score", path, "-o", target)

    def test_without_a_seed_says_which_it_took(self, tmp_path: Path) -> None:
        first, again = tmp_path / "first.csv", tmp_path / "again.csv"
        seed = run("simulate", "-n", "50", "-o", first).split()[-1]
        run("simulate", "-n", "50", "--seed", seed, "-o", again)
        assert first.read_text() == again.read_text()

    @pytest.mark.parametrize("missing", ["2", "a", "0.1,0.2,0.3", "", "nan"])
    def test_a_wrong_share_is_refused(self, missing: str) -> None:
        text = run("simulate", "-n", "5", "--missing", missing, code=2)
        assert text.startswith("kneebayes: ")
        assert "missing" in text


class TestScore:
    """Files of cases; the details are with files.py."""

    def test_all_scored_is_0_and_says_so(self, tmp_path: Path) -> None:
        source, target = tmp_path / "in.csv", tmp_path / "out.csv"
        source.write_text("age\n67\n")
        text = run("score", source, "-o", target)
        assert "1 row read: 1 scored, 0 rejected" in text
        assert text.count("not a medical device") == 1
        assert pd.read_csv(target)["dvt_alarm"].tolist() == ["not_assessed"]

    def test_rows_of_whom_nothing_is_known_are_scored_and_said(self, tmp_path: Path) -> None:
        cases = tmp_path / "cases.csv"
        cases.write_text("case_id,age,calf_pain,skin_warmth\na,40,,\nTotal,,,\nb,,,present:0.6\n,,,\n")
        text = run("score", cases, "-o", tmp_path / "out.csv")
        assert "4 rows read: 4 scored" in text
        assert "warning: scored as people of whom nothing is known but the complaint" in text
        assert "(2 rows)" in text

    def test_some_rejected_is_1_with_counts_reasons_and_warnings(self, cases: Path, tmp_path: Path) -> None:
        target, rejects = tmp_path / "out.csv", tmp_path / "rejects.csv"
        text = run("score", cases, "-o", target, "--rejects", rejects, "--keep", "note", code=1)
        assert "4 rows read: 2 scored, 2 rejected" in text
        assert "row 2, column 'age': not allowed: give a number of years from 0 to 110, or nothing" in text
        assert "row 3, column 'sex+pregnancy': impossible by the model: the values of sex and pregnancy" in text
        assert "told by a mapping: kneebayes map" in text
        assert "under 18" in text
        assert "(1 row)" in text
        assert pd.read_csv(target)["note"].tolist() == ["a", "d"]
        assert pd.read_csv(rejects)["row"].tolist() == [2, 3]

    def test_unknown_column_is_2_and_writes_nothing(self, cases: Path, tmp_path: Path) -> None:
        target = tmp_path / "out.csv"
        text = run("score", cases, "-o", target, code=2)
        assert text.startswith("kneebayes: unknown column 'note'")
        assert list(tmp_path.iterdir()) == [cases]

    @pytest.mark.parametrize(
        "options", [["--columns", "dvt,dvt_alarm"], ["--columns", "dvt", "--columns", "dvt_alarm"]]
    )
    def test_columns_repeat_or_are_separated_by_commas(self, cases: Path, tmp_path: Path, options: list[str]) -> None:
        target = tmp_path / "out.csv"
        run("score", cases, "-o", target, "--ignore", "note", *options, code=1)
        assert list(pd.read_csv(target).columns) == ["dvt", "dvt_alarm"]

    def test_quiet_says_nothing(self, tmp_path: Path) -> None:
        source = tmp_path / "in.csv"
        source.write_text("age\n67\n")
        assert run("score", source, "-o", tmp_path / "out.csv", "--quiet") == ""

    def test_thresholds_reach_the_alarm(self, tmp_path: Path) -> None:
        source, target = tmp_path / "in.csv", tmp_path / "out.csv"
        source.write_text("age\n67\n")
        run("score", source, "-o", target, "--caution", "0.0001", "--urgent", "0.001")
        assert pd.read_csv(target)["dvt_alarm"].tolist() == ["urgent"]

    def test_works_in_a_pipe_with_results_alone_on_standard_output(self) -> None:
        done = process("score", "-", stdin="case_id,age\nx,67\n")
        assert done.returncode == 0
        (row,) = csv.DictReader(io.StringIO(done.stdout))
        assert row["case_id"] == "x"
        assert "1 row read" in done.stderr

    @pytest.mark.parametrize("source", ["nope.csv", "."])
    def test_a_source_that_is_no_file(self, source: str) -> None:
        done = CliRunner().invoke(app, ["score", source])
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(f"kneebayes: {source}")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals and pipes of POSIX")
class TestSaying:
    """What is said of words and files that are not what they should be."""

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("template --format redcapp", r"'redcapp' is not one of 'csv', .*Did you mean 'redcap'\?"),
            ("diagnose --engine pgmy", r"'pgmy' is not one of .*Did you mean 'pgmpy'\?"),
            ("simulate -n x", "Invalid value for '-n': 'x'"),
            ("score x.csv --caution 9,5", "Invalid value for '--caution': '9,5'"),
        ],
    )
    def test_a_wrong_word_is_named(self, words: str, said: str) -> None:
        output = run(*words.split(), code=2)
        assert re.search(said, output)
        assert "Value error" not in output

    @pytest.mark.parametrize("command", ["map", "score", "evaluate", "check", "model --check", "score t.csv --map"])
    @pytest.mark.parametrize("what", ["folder", "missing", "loop", "nothing"])
    def test_what_is_no_file_is_refused_in_a_line(
        self, command: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("t.csv").write_text("age\n67\n")
        name = f"{what}.{'yaml' if command[-5:] in ('check', '--map') and command != 'check' else 'csv'}"
        if what == "folder":
            Path(name).mkdir()
        elif what == "loop":
            Path(name).symlink_to(name)
        output = run(*command.split(), "" if what == "nothing" else name, code=2)
        assert output.startswith("kneebayes: " + ("an empty text names no file" if what == "nothing" else name))
        assert output.count("\n") == 1
        assert "Errno" not in output

    @pytest.mark.skipif(os.name != "posix", reason="devices of POSIX")
    @pytest.mark.parametrize("ending", ["xlsx", "sav", "dta", "parquet", "csv"])
    def test_a_device_is_not_read_for_ever(self, ending: str, tmp_path: Path) -> None:
        (tmp_path / f"zero.{ending}").symlink_to("/dev/zero")
        for command in ("score", "map"):
            said = run(command, tmp_path / f"zero.{ending}", code=2)
            assert said.startswith(f"kneebayes: {tmp_path / f'zero.{ending}'}: ")

    def test_an_empty_mapping_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "t.csv").write_text("age\n67\n")
        (tmp_path / "m.yaml").write_text("# read: {decimal: ','}\n")
        assert "m.yaml: is empty" in run("score", tmp_path / "t.csv", "--map", tmp_path / "m.yaml", code=2)

    def test_a_command_to_be_copied_is_one_command(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        name = "my cases; rm -r $(pwd).csv"
        Path(name).write_text("Alter,Wadenschmerz\n67,ja\n")
        told = run("map", name, "-o", "what it says.yaml").splitlines()[-1]
        assert shlex.split(told) == ["kneebayes", "score", name, "--map", "what it says.yaml"]
        told = run("map", name, "-o", "m.yaml", "--model", "extended").splitlines()[-1]
        assert told.endswith(" --map m.yaml --model extended")


class TestInterruption:
    """Being stopped half way."""

    @pytest.mark.slow
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"])
    def test_leaves_no_file(self, tmp_path: Path, number: int, code: int) -> None:
        arguments = ["simulate", "-n", "100000000", "--seed", "1", "-o", str(tmp_path / "cases.csv")]
        with subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
            while running.poll() is None and not any(path.stat().st_size for path in tmp_path.iterdir()):
                time.sleep(0.05)
            running.send_signal(number)
            _, message = running.communicate(timeout=60)
        assert running.returncode == code, message
        assert list(tmp_path.iterdir()) == []
        assert "Traceback" not in message
        assert number != signal.SIGINT or "stopped after" in message

    def test_a_reader_that_has_had_enough_is_no_error(self) -> None:
        arguments = ["simulate", "-n", "100000", "--seed", "1", "--quiet"]
        with subprocess.Popen(
            [*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            assert running.stdout.readline().startswith(b"case_id,")
            running.stdout.close()
            assert running.wait(timeout=60) == 141
            assert running.stderr.read() == b""


@pytest.mark.slow
def test_a_case_becomes_a_page(tmp_path: Path) -> None:
    path = tmp_path / "case.html"
    run("diagnose", "unilateral_leg_swelling=yes", "--report", path)
    assert "One lower leg swollen: yes" in path.read_text(encoding="utf-8")
    run("diagnose", "unilateral_leg_swelling=yes", "--report", tmp_path / "case.docx", code=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begun", "offered"),
    [
        ("unilateral_l", "unilateral_leg_swelling="),
        ("sex=m", "sex=male"),
        ("sex=x", ""),
        ("--model posterior_knee_pain_e", "posterior_knee_pain_extended"),
        (f"--model {ROOT}/examples/ank", f"{ROOT}/examples/ankle.yaml"),
    ],
)
def test_a_shell_completes_names_and_values(begun: str, offered: str) -> None:
    command = [sys.executable, "-c", "from kneebayes.ui.cli import app; app(prog_name='kneebayes')"]
    words = {"_KNEEBAYES_COMPLETE": "complete_bash", "COMP_WORDS": f"kneebayes diagnose {begun}"}
    words["COMP_CWORD"] = str(1 + len(begun.split()))
    done = subprocess.run(command, env={**os.environ, **words}, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == offered


@pytest.mark.slow
def test_columns_that_nobody_named_are_said_to_be_left_out_once_and_all(tmp_path: Path) -> None:
    said = "columns left out, as nothing is said of them: 'ward', 'bmi'"
    (tmp_path / "a.csv").write_text("case_id,age,ward,lab_x,bmi,true_dvt\n1,50,a,3,4,yes\n2,60,b,3,4,no\n", "utf-8")
    (tmp_path / "m.yaml").write_text("columns: {age: age, true_dvt: true_dvt}\nignore: others\n", "utf-8")
    named = ["--ignore-others", "--ignore", "lab_*", "--ignore", "case_id"]
    for more in (named, [*named, "--map", str(tmp_path / "m.yaml")]):
        for command in (["score", "-o", str(tmp_path / "o.csv")], ["evaluate"], ["evaluate", "--csv"]):
            assert run(*command, str(tmp_path / "a.csv"), *more).count(said) == 1
        assert said in json.loads(run("evaluate", str(tmp_path / "a.csv"), "--json", *more))["notes"]
    assert said in run("diagnose", "age=50", "ward=a", "bmi=4", "--map", str(tmp_path / "m.yaml"))
    assert "left out" not in run("diagnose", "age=50", "--map", str(tmp_path / "m.yaml"))


def test_what_is_to_be_left_out_and_is_not_there_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("case_id,age,label,lab_x\n1,50,dvt,3\n2,60,leg_cramps,4\n", "utf-8")
    said = r"ignore: there is no column 'lba_\*', 'Lab_x'$"
    words = ["--ignore", "lab_*,lba_*", "--ignore", "Lab_x"]
    into: dict[str, list[str | Path]] = {
        "score": ["-o", tmp_path / "o.csv"],
        "fit": ["-o", tmp_path / "o.yaml"],
        "evaluate": [],
        "check": [],
    }
    for command, options in into.items():
        with pytest.warns(UserWarning, match=said) as warned:
            run(command, tmp_path / "a.csv", *words, *options)
        assert len(warned) == 1
    with pytest.warns(UserWarning, match=said):
        kb.load_model().score(pd.read_csv(tmp_path / "a.csv"), ignore=["lab_*", "lba_*", "Lab_x"])


class TestLearning:
    """What `fit` and `check` print, write and refuse."""

    @pytest.fixture
    def exported(self, tmp_path: Path) -> list[Path | str]:
        """Write an export with a totals row, and its mapping."""
        (tmp_path / "e.csv").write_text("Nr;Alter;Wade;Diagnose\n1;67;ja;dvt\n2;45;nein;leg_cramps\nSumme;112;;\n")
        (tmp_path / "m.yaml").write_text(
            "read: {sep: ';'}\nrows: {Nr: [Summe]}\ncolumns:\n  Nr: case_id\n  Alter: age\n  Diagnose: label\n"
            "  Wade: {variable: calf_pain, values: {ja: present, nein: absent}}\n"
        )
        return [tmp_path / "e.csv", "--map", tmp_path / "m.yaml"]

    def test_fit_writes_a_model_that_is_the_one_of_python(self, tmp_path: Path, exported: list[Path | str]) -> None:
        said = run("fit", *exported, "-o", tmp_path / "learned.yaml", "--prior-weight", "3")
        assert "2 cases, 2 of them labelled, prior weight 3" in said
        assert "not a medical device" in said
        frame = pd.DataFrame({"age": [67, 45], "calf_pain": ["yes", "no"], "label": ["dvt", "leg_cramps"]})
        fitted = kb.load_model().fit(frame, prior_weight=3)
        numbers = dict(fitted.file.probabilities())
        for place, number in kb.load_model(tmp_path / "learned.yaml").file.probabilities():
            assert number.p == pytest.approx(numbers[place].p, abs=1e-12)

    def test_check_prints_the_table_of_python(self, tmp_path: Path, exported: list[Path | str]) -> None:
        said = run("check", *exported, "--least", "1", "--no-pairs")
        assert said.split()[:6] == ["finding", "other", "cases", "observed", "expected", "z"]
        assert "not a medical device" in said
        run("simulate", "-n", "60", "--seed", "1", "--label", "-o", tmp_path / "c.csv")
        table = pd.read_csv(io.StringIO(run("check", tmp_path / "c.csv", "--csv", "--quiet")))
        pd.testing.assert_frame_equal(
            table, kb.load_model().check(pd.read_csv(tmp_path / "c.csv", dtype=str)), check_dtype=False
        )
        assert "nothing to check" in run("check", *exported)

    @pytest.mark.parametrize("command", [["check"], ["fit", "-o", "no.yaml"]])
    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ("44,male,yes,\n55,female,secret,\n", "data row 2, column 'calf_pain': not allowed"),
            ("44,male,yes,\n55,female,yes,,,,\n", "data row 2: the row has 7 fields"),
            ("44,male,yes,\n55,female,yes,secret\n", "data row 2, column 'label'"),
        ],
        ids=["value", "fields", "label"],
    )
    def test_a_row_that_cannot_be_used_ends_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], rows: str, said: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("c.csv").write_text("age,sex,calf_pain,label\n" + rows)
        output = run(command[0], "c.csv", *command[1:], code=2)
        assert said in output
        assert "1 row of 2 can't be used" in output
        assert "secret" not in output
        assert not Path("no.yaml").exists()

    def test_an_impossible_case_is_named_by_its_place_in_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "c.csv").write_text("sex,pregnancy\nmale,\nmale,pregnant\n")
        assert "data row 2" in run("check", tmp_path / "c.csv", code=2)

    def test_where_a_model_can_not_go_is_said_before_the_work(self, tmp_path: Path) -> None:
        assert "ends in .yaml" in run("fit", tmp_path / "none.csv", "-o", tmp_path / "x.txt", code=2)
