"""The exchange formats as other programs write them: what pyAgrum and pgmpy write here, and others by their manuals."""

from __future__ import annotations

import importlib
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pgmpy.readwrite
import pytest
from typer.testing import CliRunner

import kneebayes as kb
from kneebayes.errors import FileFormatError, ModelFileError, OptionError, UnknownNameError
from kneebayes.interop.cpt import model_node
from kneebayes.interop.exchange import _nodes, export, format_of, import_model, read_net, read_uai, sidecar_path
from kneebayes.interop.pgmpy import to_pgmpy
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import read_model
from kneebayes.ui.cli import app
from tests.oracles import random_model

with warnings.catch_warnings():
    # 2026-11: the SWIG wrapper of pyAgrum 3.3 warns at import, and crashes where that is an error
    warnings.filterwarnings("ignore", "builtin type .* has no __module__", DeprecationWarning)
    gum: Any = importlib.import_module("pyagrum")  # Any: it is half typed

PGMPY = {"bif": "BIFWriter", "xmlbif": "XMLBIFWriter", "net": "NETWriter", "xdsl": "XDSLWriter", "uai": "UAIWriter"}
DIGITS = {"pyagrum": 1e-6, "pgmpy": 1e-8}  # which they write; pyAgrum reads in single precision


@pytest.fixture(scope="module")
def model() -> ModelSpec:
    return random_model(21, states=3, levels=3)


@pytest.fixture(scope="module")
def written(model: ModelSpec, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """Let both programs write the network of a model in every format that they have."""
    folder = tmp_path_factory.mktemp("dialects")
    export(model, folder / "ours.bif")
    network = gum.loadBN(str(folder / "ours.bif"))
    paths = {}
    for ending in ("bif", "bifxml", "net", "uai", "xdsl"):
        path = paths["pyagrum", ending] = folder / f"pyagrum.{ending}"
        gum.saveBN(network, str(path))
    for ending, writer in PGMPY.items():
        path = paths["pgmpy", ending] = folder / f"pgmpy.{ending}"
        getattr(pgmpy.readwrite, writer)(to_pgmpy(model)).write(str(path))
    return paths


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["bif", "bifxml", "net", "uai", "xdsl"])
def test_what_pyagrum_writes_is_read_as_it_means_it(
    ending: str, written: dict[tuple[str, str], Path], model: ModelSpec
) -> None:
    path = written["pyagrum", ending]
    meant = gum.loadBN(str(path))  # what it reads back itself
    nodes = {node.name: node for node in _nodes(path.read_text(), format_of(path), path)[0]}
    assert set(nodes) == set(model.variables)
    for name, node in nodes.items():
        ours = model_node(model, name)
        assert set(node.parents) == set(ours.parents)
        if ending != "uai":
            assert node.states == ours.states
        table = node.table.transpose(0, *(node.parents.index(parent) + 1 for parent in ours.parents))
        np.testing.assert_allclose(table, ours.table, rtol=0, atol=DIGITS["pyagrum"])
        if ending != "uai":  # of which it keeps no names
            cpt = meant.cpt(name)  # its axes are named, the child first
            theirs = cpt.toarray().transpose(*(range(len(cpt.names) - 1, -1, -1)))
            order = [cpt.names.index(n) for n in (name, *ours.parents)]
            np.testing.assert_allclose(theirs.transpose(order), table, rtol=0, atol=DIGITS["pyagrum"])


@pytest.mark.parametrize("ending", PGMPY)
def test_what_pgmpy_writes_is_read_as_it_means_it(
    ending: str, written: dict[tuple[str, str], Path], model: ModelSpec
) -> None:
    path = written["pgmpy", ending]
    nodes = _nodes(path.read_text(), format_of(path), path)[0]
    if ending == "uai":  # in which it orders variables by number of states, as text, then by name
        named = sorted(model.variables, key=lambda name: (str(len(model.variables[name].states)), name))
        names = {node.name: name for node, name in zip(nodes, named, strict=True)}
    else:
        names = {name: name for name in model.variables}
    for node in nodes:
        ours = model_node(model, names[node.name])
        parents = [names[parent] for parent in node.parents]
        table = node.table.transpose(0, *(parents.index(parent) + 1 for parent in ours.parents))
        np.testing.assert_allclose(table, ours.table, rtol=0, atol=DIGITS["pgmpy"])


def test_with_our_labels_a_uai_file_that_pyagrum_wrote_has_its_states(
    written: dict[tuple[str, str], Path], model: ModelSpec, tmp_path: Path
) -> None:
    path = tmp_path / "both.uai"
    export(model, path)
    path.write_bytes(written["pyagrum", "uai"].read_bytes())
    back = import_model(path, tolerance=1e-4)
    for name in model.variables:
        np.testing.assert_allclose(model_node(back, name).table, model_node(model, name).table, rtol=0, atol=1e-4)
    sidecar_path(path).unlink()
    bare = import_model(path, causes=list(model.causes), complaint="f0", tolerance=1e-4)
    assert "the first parent of a table varies fastest" in bare.provenance[-1]
    assert "f1 s0" in " ".join(bare.provenance)  # which state was taken for absence


HUGIN = """% made by hand, in the words of Hugin's manual
net
{
    node_size = (80 40);
    HR_Grid_X = "10";
}
node Clot
{
    label = "Clot (100 % sure)";
    position = (100 100);
    states = ("false" "true");
    subtype = boolean;
}
discrete node Cyst
{
    states = ("no" "yes");
}
node Swelling
{
    label = "";
    states = ("none" "one {leg}" "both; 100 %");
    HR_Desc = "of the calf % or the leg";
}
node Travel { states = (short long); }
potential (Travel) { data = ( 0.75 0.25 ); }
potential (Clot | Travel)
{
    data
     = (( 0.9 0.1 )\t%  Travel=short
\t( 0.72 0.28 ));\t%  Travel=long
    experience
     = ( 10 %  Travel=short
\t 20 );\t%  Travel=long
}
potential (Cyst) { data = (0.5 0.5); }
potential (Swelling | Clot Cyst)
{
    data
     = ((( 0.8 0.15 0.05 )\t%  Clot=false Cyst=no
\t( 0.64 0.215 0.145 ))\t%  Clot=false Cyst=yes
\t(( 0.4 0.36 0.24 )\t%  Clot=true Cyst=no
\t( 0.32 0.364 0.316 )));\t%  Clot=true Cyst=yes
}
"""


def test_comments_experience_and_words_without_quotes_as_hugin_has_them(tmp_path: Path) -> None:
    nodes = {node.name: node for node in read_net(HUGIN, "x.net")}
    assert nodes["Clot"].label == "Clot (100 % sure)"
    assert nodes["Travel"].states == ("short", "long")
    assert nodes["Swelling"].states == ("none", "one {leg}", "both; 100 %")
    assert nodes["Swelling"].table[:, 1, 0].tolist() == [0.4, 0.36, 0.24]
    (tmp_path / "hugin.net").write_text(HUGIN)
    model = import_model(tmp_path / "hugin.net", causes=["Clot", "Cyst"])
    swelling = model.findings["swelling"]
    assert swelling.states == ("none", "one_leg", "both_100")
    assert swelling.say("both_100") == "both; 100 %"
    clot: Any = swelling.links["clot"]["present"]
    assert {state: number.p for state, number in clot.items()} == {"one_leg": 0.3, "both_100": 0.2}


GENIE = """<?xml version="1.0" encoding="ISO-8859-1"?>
<smile version="1.0" id="Netz" numsamples="10000" discsamples="10000">
    <nodes>
    <cpt id="Reise" diagtype="observation" ranked="true">
    <state id="kurz" default="true" />
    <state id="lang" />
    <property id="Quelle">Umfrage für Köln</property>
    <probabilities>0.75 0.25</probabilities>
    </cpt>
    <cpt id="Gerinnsel" target="true">
    <state id="ja" fault="true" />
    <state id="nein" />
    <parents>Reise</parents>
    <probabilities>0.1 0.9 0.28 0.72</probabilities>
    </cpt>
    <cpt id="Schwellung">
    <state id="beide" />
    <state id="eine" />
    <state id="keine" />
    <parents>Gerinnsel</parents>
    <probabilities>0.24 0.36 0.4 0.05 0.15 0.8</probabilities>
    </cpt>
    </nodes>
    <extensions>
    <genie version="1.0" app="GeNIe 2.0.4" name="Näherung">
    <node id="Reise"><name>Lange Reise über Köln</name></node>
    </genie>
    </extensions>
</smile>
"""


def genie(folder: Path) -> Path:
    path = folder / "netz.xdsl"
    path.write_bytes(GENIE.encode("latin-1"))
    return path


def test_states_from_most_to_least_with_absence_last_as_genie_has_them(tmp_path: Path) -> None:
    path = genie(tmp_path)
    told = {"Gerinnsel": "nein", "Schwellung": "keine"}
    model = kb.import_network(path, absent=told)
    assert model.file.causes["gerinnsel"].states == ("nein", "ja")
    assert model.file.findings["schwellung"].states == ("keine", "eine", "beide")
    assert model.file.causes["gerinnsel"].leak.p == 0.1
    clot: Any = model.file.findings["schwellung"].links["gerinnsel"]["ja"]
    assert {state: number.p for state, number in clot.items()} == {"eine": 0.3, "beide": 0.2}
    # by hand: 0.75 * 0.1 + 0.25 * 0.28 = 0.145 have it
    posterior = model.diagnose({"schwellung": "beide"}).posterior["gerinnsel"]
    assert posterior == pytest.approx(0.145 * 0.24 / (0.145 * 0.24 + 0.855 * 0.05), abs=1e-12)
    assert "No state is called absent" not in " ".join(model.file.provenance)


def test_one_word_of_absence_is_told_for_all_nodes_that_have_it(tmp_path: Path) -> None:
    path, out = genie(tmp_path), tmp_path / "netz.yaml"
    arguments = ["import", str(path), "-o", str(out), "--absent", "nein", "--absent", "Schwellung=keine"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert read_model(out) == import_model(path, absent={"*": "nein", "Schwellung": "keine"})


def test_what_was_taken_for_absence_is_said(tmp_path: Path) -> None:
    path = genie(tmp_path)
    model = import_model(path)  # as the states stand: nothing says that "ja" is presence
    assert model.causes["gerinnsel"].states == ("ja", "nein")
    assert "the first was taken for it: gerinnsel ja, schwellung beide" in " ".join(model.provenance)


@pytest.mark.parametrize(
    ("absent", "message"),
    [
        ({"Gerinsel": "nein"}, r"no node 'Gerinsel'.*'Gerinnsel'"),
        ({"Gerinnsel": "nien"}, r"Gerinnsel has no state 'nien', only \['ja', 'nein'\].*'nein'"),
        ({"*": "absent"}, r"no node has the state 'absent'"),
    ],
)
def test_absence_that_is_not_there_is_refused(absent: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=message):
        import_model(genie(tmp_path), absent=absent)


@pytest.mark.parametrize("said", ["=x", "x=", ""])
def test_absence_that_says_nothing_is_refused(said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["import", "x.bif", "-o", str(tmp_path / "x.yaml"), "--absent", said])
    assert done.exit_code == 2
    assert "write NODE=STATE" in done.output


@pytest.mark.parametrize("told", [{"absent": {"f1": "absent"}}, {"causes": ["c0"]}, {"complaint": "f0"}])
def test_what_the_labels_say_can_not_be_told(told: dict[str, Any], model: ModelSpec, tmp_path: Path) -> None:
    export(model, tmp_path / "a.net")
    with pytest.raises(OptionError, match="the labels that came with it say that"):
        import_model(tmp_path / "a.net", **told)


WEKA = """<?xml version="1.0"?>
<!-- DTD for the XMLBIF 0.3 format -->
<!DOCTYPE BIF [
    <!ELEMENT BIF ( NETWORK )*>
    <!ATTLIST BIF VERSION CDATA #REQUIRED>
    <!ELEMENT NAME (#PCDATA)>
]>
<BIF VERSION="0.3">
<NETWORK>
<NAME>small-weka.filters</NAME>
<VARIABLE TYPE="nature"><NAME>travel</NAME><OUTCOME>no</OUTCOME><OUTCOME>yes</OUTCOME>
<PROPERTY>position = (0,0)</PROPERTY></VARIABLE>
<VARIABLE TYPE="nature"><NAME>clot</NAME><OUTCOME>no</OUTCOME><OUTCOME>yes</OUTCOME></VARIABLE>
<VARIABLE TYPE="nature"><NAME>swelling</NAME><OUTCOME>no</OUTCOME><OUTCOME>yes</OUTCOME></VARIABLE>
<DEFINITION><FOR>travel</FOR><TABLE>
0.75 0.25
</TABLE></DEFINITION>
<DEFINITION><FOR>clot</FOR><GIVEN>travel</GIVEN><TABLE>
0.9 0.1
0.72 0.28
</TABLE></DEFINITION>
<DEFINITION><FOR>swelling</FOR><GIVEN>clot</GIVEN><TABLE>
0.8 0.2
0.4 0.6
</TABLE></DEFINITION>
</NETWORK>
</BIF>
"""


def test_xml_with_its_grammar_inside_as_weka_has_it(tmp_path: Path) -> None:
    (tmp_path / "small.xml").write_text(WEKA)
    model = import_model(tmp_path / "small.xml")
    assert model.causes["clot"].links["travel"]["present"].p == pytest.approx(0.2)
    link: Any = model.findings["swelling"].links["clot"]["present"]
    assert link.p == 0.5


UAI = "BAYES\n2\n2 2\n2\n1 0\n2 0 1\n\n2\n0.5 0.5\n4\n0.9 0.1 0.2 0.8\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (UAI.replace("2 2\n", "2 0\n", 1), "a variable has 0 states"),
        (UAI.replace("2 2\n", "2 -2\n", 1), "a variable has -2 states"),
        (UAI.replace("2 0 1", "2 -2 1"), "without one table for each variable"),
        (UAI.replace("1 0\n", "1 1\n", 1), "without one table for each variable"),
        (UAI.replace("1 0\n", "0\n", 1), "not a UAI file"),
        (UAI + "0.5", "more after its last table"),
        (UAI.replace("4\n", "-4\n"), "more after its last table|not a UAI file"),
        (UAI.replace("2 2\n", f"2 {'9' * 5000}\n", 1), "not a UAI file"),
        (UAI.replace("0.9", "9" * 400), "holds what is no probability|a column"),
    ],
)
def test_a_uai_file_that_contradicts_itself_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.uai").write_text(text)
    with pytest.raises(FileFormatError, match=message):
        import_model(tmp_path / "x.uai")


@pytest.mark.parametrize("ending", ["bif", "xmlbif", "net", "uai", "xdsl", "json"])
def test_a_network_cut_short_is_refused_in_a_line_of_ours(ending: str, model: ModelSpec, tmp_path: Path) -> None:
    whole, _ = (path := tmp_path / f"whole.{ending}"), export(model, path)
    text = whole.read_text()
    for share in (0.0, 0.001, 0.3, 0.9, 0.98):
        cut = tmp_path / f"cut.{ending}"
        cut.write_text(text[: int(share * len(text))])
        with pytest.raises(FileFormatError) as caught:
            import_model(cut)
        said = str(caught.value)
        assert said.startswith(f"{cut}: ")
        assert "\n" not in said
        assert not re.search(r"\w+\([^)]*\)$|Must specify", said)  # the name of an exception, or of its argument


def test_a_model_file_that_came_with_a_network_is_judged_as_any_other(model: ModelSpec, tmp_path: Path) -> None:
    _, labels = export(model, tmp_path / "x.net")
    labels.write_text(labels.read_text().replace('"model": {', '"model": {"sauces": 1,', 1))
    with pytest.raises(ModelFileError, match=r"came with it: sauces: .* Did you mean 'causes'") as caught:
        import_model(tmp_path / "x.net")
    assert "pydantic" not in str(caught.value)


def test_comments_behind_scopes_in_another_hand_change_nothing() -> None:
    said = UAI.replace("2 0 1\n", "2 0 1 # the second, given the first\n").replace("1 0\n", "1 0 # the first\n")
    assert [node.table.tolist() for node in read_uai(said, "x")] == [node.table.tolist() for node in read_uai(UAI, "x")]


@pytest.mark.parametrize("ending", ["bif", "net"])
@pytest.mark.parametrize("word", ["node", "potential", "data", "states", "variable", "probability", "table", "network"])
def test_a_variable_may_be_called_what_the_format_calls_a_part(word: str, ending: str, tmp_path: Path) -> None:
    content = random_model(3, risks=3, causes=2, findings=3, levels=3).model_dump_json()
    for old in ("f2", "r2", *(() if word == "probability" else ("c0",))):  # which is a column of joint states
        model = ModelSpec.model_validate_json(content.replace(f'"{old}"', f'"{word}"'))
        path = tmp_path / f"{old}.{ending}"
        export(model, path)
        nodes = {node.name: node for node in _nodes(path.read_text(), format_of(path), path)[0]}
        for name in model.variables:
            ours = model_node(model, name)
            order = [nodes[name].parents.index(parent) + 1 for parent in ours.parents]
            np.testing.assert_allclose(nodes[name].table.transpose(0, *order), ours.table, rtol=0, atol=1e-12)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [pipe, device])
@pytest.mark.parametrize("which", ["network", "sidecar", "labels"])
def test_a_pipe_or_device_is_not_read_for_ever(
    make: Callable[[Path], None], which: str, model: ModelSpec, tmp_path: Path
) -> None:
    export(model, tmp_path / "a.net")
    place = {"network": "a.net", "sidecar": "a.net.labels.json", "labels": "mine.json"}[which]
    (tmp_path / place).unlink(missing_ok=True)
    make(tmp_path / place)
    labels = tmp_path / place if which == "labels" else None
    with pytest.raises(FileFormatError, match=rf"{place}: is a pipe or a device"):
        import_model(tmp_path / "a.net", labels=labels)


def test_an_encoding_that_is_not_told_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "x.net").write_bytes('net { }\nnode a { label = "Näherung"; }'.encode("latin-1"))
    with pytest.raises(FileFormatError, match="save it as UTF-8"):
        import_model(tmp_path / "x.net")
    (tmp_path / "y.xdsl").write_bytes(GENIE.replace("ISO-8859-1", "klingon").encode("latin-1"))
    with pytest.raises(FileFormatError, match=r"y\.xdsl: can't read the network: unknown encoding"):
        import_model(tmp_path / "y.xdsl")
