"""Exchange formats: written, read back by others, and imported; what is no leaky noisy-OR is refused."""

from __future__ import annotations

import importlib
import json
import shutil
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from typer.testing import CliRunner

import kneebayes as kb
from kneebayes.errors import FileFormatError, ModelFileError, UnknownNameError
from kneebayes.interop.cpt import Node, model_node, noisy_or_from_table
from kneebayes.interop.exchange import Format, export, import_model, read_net, read_uai, sidecar_path
from kneebayes.interop.pgmpy import Reference
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import parse_model, read_model
from kneebayes.ui.cli import app
from tests.oracles import one, random_codes, random_model

with warnings.catch_warnings():
    # 2026-11: the SWIG wrapper of pyAgrum 3.3 warns at import, and crashes where that is an error
    warnings.filterwarnings("ignore", "builtin type .* has no __module__", DeprecationWarning)
    gum: Any = importlib.import_module("pyagrum")  # Any: it is half typed

FORMATS = get_args(Format)
NAMED = [name for name in FORMATS if name != "uai"]
ENDING = {"xmlbif": "bifxml"}  # the name that pyAgrum reads
ALARM_FREE = {"bif", "xmlbif", "net", "xdsl"}


@pytest.fixture(scope="module")
def model() -> ModelSpec:
    return random_model(21, states=3)


@pytest.fixture(scope="module")
def files(model: ModelSpec, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exchange")
    paths = {name: folder / f"net.{ENDING.get(name, name)}" for name in FORMATS}
    for path in paths.values():
        export(model, path)
    return paths


def cases(model: ModelSpec, n: int) -> list[dict[str, str]]:
    codes = random_codes(model, n, 2, risks=0.4, findings=0.5)
    return [
        {
            name: v.states[c]
            for (name, v), c in zip(model.variables.items(), column, strict=True)
            if 0 <= c < len(v.states)
        }
        for column in codes.T
    ]


@pytest.mark.parametrize("name", ["bif", "xmlbif", "net"])
def test_pyagrum_reads_the_same_posteriors(name: str, files: dict[str, Path], model: ModelSpec) -> None:
    network = gum.loadBN(str(files[name]))  # kept by name: pyAgrum does not keep it alive
    engine, reference = gum.LazyPropagation(network), Reference(model)
    for evidence in cases(model, 8):
        expected = reference.posteriors(evidence)
        engine.setEvidence(evidence)
        engine.makeInference()
        for cause in model.causes:
            margin = engine.posterior(cause).toarray()
            assert 1 - margin[0] == pytest.approx(expected[cause], abs=1e-6)


def test_uai_tables_are_in_the_order_of_the_competitions(files: dict[str, Path], model: ModelSpec) -> None:
    # the last variable of a scope, the child, varies fastest; toulbar2 agrees (tests/benchmarks/exchange.py), while
    # pyAgrum 3.3 reads other tables, and pgmpy 1.1 writes the child as last of the scope but slowest of the table
    head, *tables = files["uai"].read_text().split("\n\n")
    lines, order = head.splitlines(), list(model.variables)
    assert lines[0] == "BAYES"
    assert [int(card) for card in lines[2].split()] == [len(v.states) for v in model.variables.values()]
    for name, scope, table in zip(order, lines[4:], tables, strict=True):
        node = model_node(model, name)
        *parents, child = [order[int(word)] for word in scope.split()[1:]]
        assert (child, tuple(parents)) == (name, node.parents)
        size, *numbers = table.split()
        assert int(size) == len(numbers)
        for place, p in zip(np.ndindex(*node.table.shape[1:], len(node.states)), numbers, strict=True):
            assert float(p) == node.table[(place[-1], *place[:-1])]


@pytest.mark.parametrize("name", FORMATS)
def test_with_its_labels_a_model_comes_back_whole(name: str, files: dict[str, Path], model: ModelSpec) -> None:
    assert import_model(files[name]) == model


@pytest.mark.parametrize("name", ["bif", "xmlbif", "net", "xdsl"])
def test_without_labels_the_numbers_come_back(
    name: str, files: dict[str, Path], model: ModelSpec, tmp_path: Path
) -> None:
    bare = tmp_path / files[name].name
    shutil.copy(files[name], bare)
    back = import_model(bare, causes=list(model.causes), complaint="f0")
    assert set(back.causes) == set(model.causes)
    assert set(back.findings) == set(model.findings)
    for variable in model.variables:
        ours, theirs = model_node(model, variable), model_node(back, variable)
        assert ours.states == theirs.states
        order = [theirs.parents.index(parent) + 1 for parent in ours.parents if parent in theirs.parents]
        assert len(order) == len(theirs.parents)
        table = theirs.table.transpose(0, *order)
        for axis, parent in enumerate(ours.parents):
            if parent not in theirs.parents:  # it has no effect
                table = np.expand_dims(table, axis + 1)
        np.testing.assert_allclose(np.broadcast_to(table, ours.table.shape), ours.table, rtol=0, atol=1e-11)
    assert "ranges" in " ".join(back.provenance)
    assert "No alarm" in " ".join(back.provenance)
    evidence = {"f1": "present", "c0": "absent"}
    expected = kb.Model(model).diagnose(evidence).probabilities
    assert kb.Model(back).diagnose(evidence).probabilities == pytest.approx(expected, abs=1e-9)


def test_interactions_are_recovered_from_tables(tmp_path: Path) -> None:
    model = random_model(3)
    export(model, tmp_path / "a.xdsl")
    sidecar_path(tmp_path / "a.xdsl").unlink()
    back = import_model(tmp_path / "a.xdsl", causes=list(model.causes))
    named = {(i.target, frozenset(i.when)): i for i in back.interactions}
    assert len(named) == len(model.interactions) > 0
    for interaction in model.interactions:
        found = named[interaction.target, frozenset(interaction.when)]
        assert {n: set(s) for n, s in found.when.items()} == {n: set(s) for n, s in interaction.when.items()}
        assert found.link.p == pytest.approx(interaction.link.p, abs=1e-9)
    for name, cause in model.causes.items():
        assert back.causes[name].leak.p == pytest.approx(cause.leak.p, abs=1e-9)


def test_a_number_changed_in_another_program_is_taken_and_the_rest_keeps_its_reasons(
    files: dict[str, Path], model: ModelSpec, tmp_path: Path
) -> None:
    content = json.loads(files["json"].read_text())
    f1 = next(node for node in content["network"] if node["name"] == "f1")
    changed = np.asarray(f1["table"])
    changed[..., 0] *= 0.9  # another cause from outside: a higher leak
    changed[..., 1] = 1 - changed[..., 0]
    f1["table"] = changed.tolist()
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(content))
    back = import_model(path)
    before, after = model.findings["f1"], back.findings["f1"]
    assert 1 - one(after.leak).p == pytest.approx(0.9 * (1 - one(before.leak).p), abs=1e-12)
    assert one(after.leak).basis == "fitted: imported from edited.json"
    assert after.links == {parent: own for parent, own in before.links.items() if any(one(n).p for n in own.values())}
    assert {**back.findings, "f1": before} == dict(model.findings)
    assert back.provenance[-1] == "Imported from edited.json, in which the numbers of f1 had changed."


def test_states_in_another_order_are_put_right(files: dict[str, Path], model: ModelSpec, tmp_path: Path) -> None:
    content = json.loads(files["json"].read_text())
    f1 = next(node for node in content["network"] if node["name"] == "f1")
    f1["states"] = f1["states"][::-1]
    f1["table"] = np.asarray(f1["table"])[..., ::-1].tolist()
    (tmp_path / "turned.json").write_text(json.dumps(content))
    assert import_model(tmp_path / "turned.json") == model


BIF = """network small {{ }}
variable Smoker {{ type discrete [ 2 ] {{ yes, no }}; }}
variable Clot {{ type discrete [ 2 ] {{ yes, no }}; }}
variable Swelling {{ type discrete [ 2 ] {{ yes, no }}; }}
probability ( Smoker ) {{ table {smoker}; }}
probability ( Clot | Smoker ) {{ (yes) 0.19, 0.81; (no) 0.1, 0.9; }}
probability ( Swelling | Clot ) {{ (yes) {swelling}; (no) 0.2, 0.8; }}
"""


def small(folder: Path, *, smoker: str = "0.3, 0.7", swelling: str = "0.92, 0.08") -> Path:
    path = folder / "small.bif"
    path.write_text(BIF.format(smoker=smoker, swelling=swelling))
    return path


def test_a_foreign_network_is_renamed_turned_and_scored(tmp_path: Path) -> None:
    model = kb.import_network(small(tmp_path))
    assert (list(model.file.risks), model.causes) == (["smoker"], ["clot"])
    clot = model.file.causes["clot"]
    assert clot.states == ("absent", "present")
    assert (clot.leak.p, clot.links["smoker"]["present"].p) == (0.1, 0.1)
    assert one(model.file.findings["swelling"].links["clot"]["present"]).p == 0.9
    dx = model.diagnose({"swelling": "yes"})
    prior = 0.3 * 0.19 + 0.7 * 0.1
    assert dx.probabilities["clot"] == pytest.approx(0.92 * prior / (0.92 * prior + 0.2 * (1 - prior)), abs=1e-12)
    assert dx.alarm.level == "not_assessed"
    said = " ".join(model.file.provenance)
    assert "Smoker as smoker" in said
    assert "swelling: yes as present" in said


@pytest.mark.parametrize(
    ("numbers", "error", "message"),
    [
        ({"smoker": "0.3, 0.69999"}, FileFormatError, r"Smoker: a column .* sums to 0\.99999, .* tolerance=1e-05"),
        ({"swelling": "0.1, 0.9"}, ModelFileError, r"swelling: its table is no leaky noisy-OR.*clot=present .* less"),
    ],
    ids=["sum", "inhibiting"],
)
def test_what_can_not_be_imported_is_refused(
    numbers: dict[str, str], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        kb.import_network(small(tmp_path, **numbers))


def test_tolerance_takes_a_file_of_few_digits(tmp_path: Path) -> None:
    prior = kb.import_network(small(tmp_path, smoker="0.3, 0.69999"), tolerance=2e-5).file.risks["smoker"].prior
    assert prior["present"].p == pytest.approx(0.3 / 0.99999, abs=1e-12)


def test_an_effect_that_depends_on_another_cause_is_no_noisy_or() -> None:
    table = np.array([[0.9, 0.8], [0.7, 0.1]])
    node = Node("f", ("absent", "present"), ("a", "b"), np.stack([table, 1 - table]))
    states = {"a": ("absent", "present"), "b": ("absent", "present")}
    with pytest.raises(ModelFileError, match=r"f: .* a and b do not act independently"):
        noisy_or_from_table(node, states, tolerance=1e-9)
    found = noisy_or_from_table(node, states, free=["a", "b"], tolerance=1e-9)
    [(when, link)] = found.interactions
    assert when == {"a": ["present"], "b": ["present"]}
    assert link == pytest.approx(1 - 0.1 * 0.9 / (0.8 * 0.7))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.uai", "MARKOV 1 2", "starts with 'MARKOV'"),
        ("x.uai", "BAYES 1 2 1 1 0 2 0.5", "not a whole UAI file"),
        ("x.net", "net {}", "not a whole NET file"),
        ("x.net", "net {}\ndecision d {}", "holds a decision"),
        ("x.json", "[]", "not a network as JSON"),
        ("x.json", '{"format": "kneebayes-network", "format": 1}', "the name 'format' stands twice in one object"),
        ("x.bif", "nothing", "no nodes"),
        ("x.bif", "network n { }\nvariable a { type discrete [ 2 ] { yes, no };\n", "not a whole BIF file"),
        ("x.bif", "probability ( a | b { table 1; }\n", "not a whole BIF file"),
        ("x.bif", "/* for ever", "not a whole BIF file"),
        ("x.xmlbif", "nothing", "pgmpy can't read this as xmlbif"),
        ("x.net", "node a { states = (); }\npotential (a) { data = (); }\n", "the node a has no states"),
        (
            "x.xdsl",
            '<?xml version="1.0" encoding="undefined"?><smile/>',
            "can't read the network: .*undefined encoding",
        ),
        ("x.xdsl", '<?xml version="1.0" encoding="punycode"?><smile/>_', "can't read the network: "),
        ("x.xdsl", "<smile><noisymax id='a'/></smile>", "<noisymax>"),
    ],
)
def test_files_that_are_none_say_so(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FileFormatError, match=message):
        import_model(tmp_path / name)


HANGING = {  # texts that regular expressions without bounds read in quadratic or cubic time
    "net_potentials": ("x.net", "potential(a|"),
    "net_nodes": ("x.net", "node x{"),
    "net_strings": ("x.net", 'node x{"'),
    "net_states": ("x.net", "node x { states = (states = ("),
    "net_data": ("x.net", "data ="),
    "net_blanks": ("x.net", "\n \n"),
    "bif_variables": ("x.bif", "variable "),
    "bif_headers": ("x.bif", "probability ( a | "),
    "bif_open": ("x.bif", "variable x { "),
    "bif_lines": ("x.bif", "variable x {} "),
    "bif_comments": ("x.bif", "/* /* "),
}


@contextmanager
def deadline(seconds: float = 60) -> Iterator[None]:
    """End what would take hours; no measure of speed, so that a busy machine is no failure."""

    def end(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
@pytest.mark.parametrize("case", HANGING)
def test_a_text_that_never_ends_its_blocks_is_refused_at_once(case: str, tmp_path: Path) -> None:
    name, piece = HANGING[case]
    path = tmp_path / name
    path.write_text(piece * (400_000 // len(piece)))
    with deadline(), pytest.raises(FileFormatError):
        import_model(path)


def test_names_of_states_may_hold_what_else_is_punctuation(tmp_path: Path) -> None:
    path = tmp_path / "x.net"
    path.write_text(
        'net { }\nnode a { label = "of {all}"; states = ("<5 (low)" ">=5; {high}"); }\n'
        "potential (a) { data = (0.25 0.75); }\n"
    )
    [node] = read_net(path.read_text(), str(path))
    assert (node.states, node.label) == (("<5 (low)", ">=5; {high}"), "of {all}")


def test_comments_of_a_bif_file_may_say_anything(tmp_path: Path) -> None:
    path = small(tmp_path)
    text = path.read_text().replace("variable Clot", "// each variable's probability (given {all}\nvariable Clot")
    (tmp_path / "said.bif").write_text(f"/* a variable, a probability }} */\n{text}// no further probability\n")
    said, plain = (dict(kb.import_network(file).file.probabilities()) for file in (tmp_path / "said.bif", path))
    assert {place: number.p for place, number in said.items()} == {place: number.p for place, number in plain.items()}


def test_comments_of_a_uai_file_are_passed_over() -> None:
    [node] = read_uai("BAYES # a network\n1 # nodes\n2\n1\n1 0\n\n# table\n2\n0.25 0.75\n", "x.uai")
    assert node.table.tolist() == [0.25, 0.75]


def test_unknown_names_are_refused(model: ModelSpec, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"\.bfi: the ending tells no exchange format.*\.bif"):
        export(model, tmp_path / "x.bfi")
    with pytest.raises(UnknownNameError, match=r"has no node 'Clott'.*'Clot'"):
        kb.import_network(small(tmp_path), causes=["Clott"])
    with pytest.raises(FileFormatError, match="can't read the network"):
        kb.import_network(tmp_path / "missing.bif")


@pytest.mark.parametrize("name", ["x.dne", "x.DNET", "x.neta"])
def test_formats_of_netica_are_refused_with_a_way_out(name: str, model: ModelSpec, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\xff\0")
    for tried in (lambda: kb.import_network(tmp_path / name), lambda: export(model, tmp_path / name)):
        with pytest.raises(FileFormatError, match=r"Netica.*as \.dne.*GeNIe.*\.xdsl"):
            tried()


def test_labels_of_another_network_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    path = small(tmp_path)
    shutil.copy(sidecar_path(files["bif"]), sidecar_path(path))
    with pytest.raises(
        FileFormatError, match=r"labels belong to another network: .*move small\.bif\.labels\.json away"
    ):
        kb.import_network(path)


def test_xdsl_has_the_last_parent_vary_fastest_and_the_labels(files: dict[str, Path], model: ModelSpec) -> None:
    from xml.etree import ElementTree

    root = ElementTree.parse(files["xdsl"]).getroot()
    assert root.attrib["id"] == model.name
    cpt = next(c for c in root.iter("cpt") if c.attrib["id"] == "c0")
    node = model_node(model, "c0")
    assert (cpt.findtext("parents") or "").split() == list(node.parents)
    numbers = [float(word) for word in (cpt.findtext("probabilities") or "").split()]
    np.testing.assert_allclose(numbers, np.moveaxis(node.table, 0, -1).ravel(), rtol=0, atol=1e-15)
    assert {n.findtext("name") for n in root.iterfind("extensions/genie/node")} == {"x"}
    places = [n.findtext("position") for n in root.iterfind("extensions/genie/node")]
    assert len(set(places)) == len(places) == len(model.variables)


@pytest.mark.parametrize("name", FORMATS)
def test_a_network_is_written_in_the_same_bytes_again(name: str, files: dict[str, Path], model: ModelSpec) -> None:
    before = files[name].read_bytes()
    export(model, files[name])
    assert files[name].read_bytes() == before


def test_the_commands_export_and_import(tmp_path: Path) -> None:
    runner, out, back = CliRunner(), tmp_path / "knee.net", tmp_path / "back.yaml"
    done = runner.invoke(app, ["export", "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "knee.net.labels.json" in done.output
    done = runner.invoke(app, ["import", str(out), "-o", str(back)])
    assert done.exit_code == 0, done.output
    assert read_model(back) == kb.load_model().file
    assert parse_model(back.read_text()) == kb.load_model().file
