"""What a draft makes of a header: what it is sure of, what it asks, and what it never takes for another thing."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
import yaml

from kneebayes.cases.drafting import Drafter, fold
from kneebayes.cases.mapping import Reading
from kneebayes.model import load_model
from kneebayes.spec.yaml_io import model_path, read_words

DRAFTER = Drafter(load_model("posterior_knee_pain_extended").scorer.coder)


def test_a_column_of_lists_is_drafted_as_empty() -> None:
    text = DRAFTER.draft(pa.table({"scores": [[1, 2], [3]], "calf_pain": ["yes", "no"]})).text
    assert "variable: calf_pain" in text
    assert "scores" in text


def drafted(name: str, values: list[str], reading: Reading | None = None) -> str:
    """Give what the draft says of a column, from its name on."""
    text = DRAFTER.draft(pa.table({name: values}), {}, reading).text
    return text.partition("columns:")[2]


def proposed(header: str, values: tuple[str, ...] = ("yes", "no")) -> str:
    """Give the variable that the draft is sure of, or ''."""
    said = DRAFTER.draft(pa.table({header: [*values] * 4})).text
    (entry,) = (yaml.safe_load(said)["columns"] or {"": ""}).values()
    return entry if isinstance(entry, str) else entry["variable"]


@pytest.mark.parametrize(
    ("header", "variable"),
    [
        ("Schw. Knie", "knee_swelling"),
        ("prev. DVT", "previous_dvt"),
        ("Unilat. leg swell.", "unilateral_leg_swelling"),
        ("Homan's sign", "homans_sign"),
        ("DDimer", "d_dimer"),
        ("pAVK/PNP", "peripheral_nerve_or_vessel_disorder"),
        ("dem_ageyr", "age"),
        ("rf_vte_self", "previous_dvt"),
        ("Schwellung US einseitig", "unilateral_leg_swelling"),
        ("US-Schwellung bds.", "bilateral_leg_swelling"),
        ("DS Kniekehle", "popliteal_tenderness"),
        ("PMH DVT/PE", "previous_dvt"),
        ("ATCD TVP/EP", "previous_dvt"),
        ("sx_calf_pain", "calf_pain"),
        ("lab_ddimer_pos", "d_dimer"),
        ("Calf circ diff >3cm", "calf_circumference_3cm"),
        ("McMurray", "mcmurray_sign"),
        ("duree_sem", "duration_days"),
        ("Days since onset", "duration_days"),
        ("M/F", "sex"),
        ("HX_DVT_YN", "previous_dvt"),
        ("prior VTE", "previous_dvt"),
        ("h/o DVT", "previous_dvt"),
        ("previous thrombosis", "previous_dvt"),
        ("DVT history", "previous_dvt"),
        ("Thrombose in der Anamnese", "previous_dvt"),
        ("Doorgemaakte trombose", "previous_dvt"),
        ("bek. Gonarthrose", "known_knee_arthritis"),
        ("LE_ERYTHEMA_YN", "skin_redness"),
        ("GIVES_WAY_YN", "giving_way"),
        ("Dolore al polpaccio", "calf_pain"),
        ("¿Le duele la pantorrilla?", "calf_pain"),
        ("Gonfiore unilaterale gamba", "unilateral_leg_swelling"),
        ("Can't fully extend", "cannot_fully_extend"),
        ("Sex of participant", "sex"),
    ],
)
def test_abbreviations_and_prefixes_are_what_they_stand_for(header: str, variable: str) -> None:
    assert DRAFTER.variables(header) == ({variable}, set())


@pytest.mark.parametrize(
    "header",
    [
        *(
            "Schwellung US",
            "POP",
            "ACO",
            "PR",
            "BMI < 25",
            "Age > 50",
            "Age < 50",
            "bedrest (days)",
            "Bettruhe in Tagen",
        ),
        *("Wadenumfang Diff < 3 cm", "kein Fieber", "ex-smoker", "hx_smoking", "Familienanamnese TVT", "chest_pain"),
        *("knee injury", "V.a. TVT", "DVT ausgeschlossen", "D-dimer value", "age of onset", "varices esophagus"),
    ],
)
def test_a_draft_is_not_sure_of_a_part_another_thing_or_its_contrary(header: str) -> None:
    sure, _ = DRAFTER.variables(header)
    assert sure == set()


@pytest.mark.parametrize(
    ("header", "variable"),
    [
        ("Schmerzen an der Innenseite des Knies", "inner_knee_pain"),
        ("Dolor de la cara interna de la rodilla", "inner_knee_pain"),
        ("Smärta i vaden", "calf_pain"),
        ("Ból łydki", "calf_pain"),
        ("Bol lydki", "calf_pain"),
        ("Dor nos gémeos", "calf_pain"),
        ("Obrzęk jednostronny nogi", "unilateral_leg_swelling"),
        ("Dolore alla gamba", "leg_pain"),
        ("Przebyta zakrzepica", "previous_dvt"),
        ("Tidigare DVT", "previous_dvt"),
        ("TVP prévia", "previous_dvt"),
        *((said, "") for said in ("Red", "HD", "Lock", "Heat", "Pain", "Smärta", "Obrzęk", "Rana", "Calambre")),
        *((said, "") for said in ("Pain scale", "Schmerz in Ruhe", "Dor em repouso", "Worse at night", "Ont i axeln")),
        *((said, "") for said in ("Ingen feber", "Brak gorączki", "Sem febre", "Idade da mãe", "Cancer i familjen")),
    ],
)
def test_words_that_say_the_same_are_read_as_one_and_a_rest_of_them_as_nothing(header: str, variable: str) -> None:
    assert DRAFTER.variables(header)[0] == {variable} - {""}


def test_no_word_says_the_same_as_two_others() -> None:
    words, _ = read_words(model_path("synonyms"), "list of synonyms")
    said = [part for first, *rest in words["same"] for part in {w for phrase in rest for w in fold(phrase)} | {first}]
    assert {part for part, n in Counter(said).items() if part and n > 1} == set()


def test_a_label_that_says_a_part_makes_its_name_a_question() -> None:
    table = pa.table({"dolor_pecho": ["s", "n"], "AGE": ["34", "56"], "chest": ["yes", "no"]})
    said = DRAFTER.draft(table, {"AGE": "Age group", "chest": "Chest pain"}).text
    assert "AGE: [age]" in said
    assert "values: {yes: present, no: unknown}" in said


def test_the_pulse_of_a_foot_is_asked_without_values_to_copy() -> None:
    assert "Fußpulse: [weak_foot_pulse]  # 2 filled; 'fusspulse' may turn" in drafted("Fußpulse", ["ja", "nein"])


def test_a_swelling_of_the_lower_leg_may_be_that_of_one_leg_only() -> None:
    assert DRAFTER.variables("Schwellung US") == (set(), {"unilateral_leg_swelling"})
    assert "Schwellung US: [unilateral_leg_swelling]" in drafted("Schwellung US", ["ja", "nein"])


@pytest.mark.parametrize(
    "header", ["TVT im Ultraschall", "DVT on USS", "Eco doppler TVP", "Écho-doppler : TVP", "echo: DVT", "FKDS: TVT"]
)
def test_what_an_image_showed_is_an_outcome_and_no_evidence(header: str) -> None:
    said = drafted(header, ["1", "0"])
    assert "[true_dvt]  #" in said
    assert "the outcome, no evidence" in said


@pytest.mark.parametrize("header", ["DVT", "DVT known", "DVT on aspirin"])
def test_a_diagnosis_without_a_test_may_be_either(header: str) -> None:
    assert "[true_dvt, dvt]" in drafted(header, ["1", "0"])


def test_the_other_decimal_sign_is_hinted_at_where_it_stands() -> None:
    hint = "is its decimal sign, write decimal:"
    assert f'if , {hint} ","' in drafted("age", ["67,5", "33"])
    assert f'if . {hint} "."' in drafted("age", ["67.5", "33"], Reading(decimal=","))
    assert f'if , {hint} ","' in drafted("BMI", ["23,4", "31,2"])
    for name, values in (("age", ["67.5", "33"]), ("age", ["67", "33"]), ("Ward", ["1,5", "2,5"])):
        assert hint not in drafted(name, values)


def test_a_ligature_is_its_two_letters() -> None:
    assert "unilateral_leg_swelling" in drafted("Œdème unilatéral", ["oui", "non"])


def test_totals_at_the_bottom_are_proposed_to_be_left_out() -> None:
    said = DRAFTER.draft(pa.table({"Fallnr": ["1", "2", "Summe"], "Alter": ["67", "33", "100"]})).text
    assert "rows:  #" in said
    assert "  Fallnr: [summe]\n" in said
    assert "  Fallnr: case_id" in said
    said = DRAFTER.draft(pa.table({"Patient": ["1", "2", "Grand Total"], "Age": ["67", "33", "100"]})).text
    assert "  Patient: [grand total]\n" in said
    for values in (["Total", "1"], ["total", "total"], ["1", "2"]):
        assert "rows:" not in DRAFTER.draft(pa.table({"Fallnr": values, "Alter": ["67", "33"]})).text
    assert "rows:" not in DRAFTER.draft(pa.table({"Nr": ["1", "2"], "Ausmass": ["halb", "total"]})).text
    for mean in ("Summe", "Mittelwert"):  # in a row without a number
        rows = {"Nr": ["1", "2", None], "Name": ["a", "b", mean], "Alter": ["67", "33", "50"]}
        assert f"  Name: [{mean.lower()}]\n" in DRAFTER.draft(pa.table(rows)).text


@pytest.mark.parametrize("header", ["Family history of DVT", "No DVT history", "History of DVT treatment"])
def test_what_was_before_is_never_asked_as_what_is_now(header: str) -> None:
    assert DRAFTER.variables(header) == (set(), {"previous_dvt"})


@pytest.mark.parametrize("header", ["Known DVT", "DVT status", "recurrent DVT"])
def test_a_cause_that_may_be_of_today_is_asked(header: str) -> None:
    said = drafted(header, ["yes", "no"])
    assert f"  {header}: [true_dvt, dvt]" in said


def test_the_morning_is_no_preposition() -> None:
    assert DRAFTER.variables("AM_STIFFNESS_YN")[1] >= {"morning_pain_stiffness"}


def test_a_header_that_explains_its_codes_is_believed_and_no_further() -> None:
    said = drafted("Wadenschmerz (1=ja, 2=nein)", ["1", "2", "9"] * 3)
    assert '"1": present' in said
    assert '"2": absent' in said
    assert '"9": unsure' in said
    assert '"1": unsure' in drafted("Wadenschmerz (1 oder 2)", ["1", "2"] * 5)


def test_a_smoker_of_former_times_does_not_smoke_at_present() -> None:
    said = drafted("smoking_status", ["Never", "Former", "Current", "Passive"] * 5)
    assert "never: absent\n      former: absent\n      current: present\n      passive: unsure" in said


@pytest.mark.parametrize("name", ["Burst cyst", "ruptured_cyst"])
def test_a_burst_cyst_is_the_cyst_and_not_left_out(name: str) -> None:
    assert "[true_bakers_cyst, bakers_cyst]" in drafted(name, ["yes", "no"] * 5)


def test_an_unsure_column_comes_with_its_values() -> None:
    said = drafted("OP Krankenhaus 12 Wochen", ["ja", "nein", "k.A."])
    assert 'values: {ja: present, nein: absent, "k.a.": unknown}' in said
    assert "values:" not in drafted("hospital 12 weeks or so", ["yes", "no"])  # which are read as they are


def test_no_to_a_part_and_yes_to_more_are_unknown() -> None:
    assert "values: {ja: present, nein: unknown}" in drafted("Luftnot", ["ja", "nein"])
    assert "values: {yes: present, no: unknown}" in drafted("morning stiffness", ["yes", "no"])
    assert "values: {oui: unknown, non: absent}" in drafted("cancer", ["oui", "non"])


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("kein Fieber", "'kein' may turn its answers round"),
        ("geen koorts", "'geen' may turn its answers round"),
        ("trombose in familie", "'familie': of somebody or something else"),
        ("calf_pain_contra", "'contra': of somebody or something else"),
        ("Schwellung Gegenseite", "'gegenseite': of somebody or something else"),
        ("Lungenembolie ausgeschlossen", "'ausgeschlossen': of somebody or something else"),
    ],
)
def test_what_may_be_turned_round_or_of_another_is_asked_without_values_to_copy(header: str, said: str) -> None:
    text = drafted(header, ["ja", "nein"])
    assert said in text.partition("unsure:")[2].partition("ignore:")[0]
    assert "values:" not in text


def test_columns_of_the_two_sides_are_asked() -> None:
    table = pa.table(
        {name: ["ja", "nein"] for name in ("Beinschwellung_L", "Beinschwellung_R", "Wadenschmerz li", "Fieber")}
    )
    content = yaml.safe_load(DRAFTER.draft(table).text)
    assert set(content["columns"]) == {"Fieber"}
    assert set(content["unsure"]) == {"Beinschwellung_L", "Beinschwellung_R", "Wadenschmerz li"}
    sides = pa.table({"calf_pain_l": ["yes", "no"], "calf_pain_r": ["no", "no"]})
    assert "of one side, as 'calf_pain_r' of the other" in DRAFTER.draft(sides).text


def test_a_number_that_answers_a_question_comes_with_its_bands() -> None:
    assert "as a number {variable: overweight, bands: {absent: 10, present: 25}}" in drafted(
        "BMI", ["24.1", "31", "28,5"]
    )
    assert "bands:" not in drafted("obesity", ["1", "0", "1"])
    assert "bands:" not in drafted("BMI", ["24.1", "310", "28,5"])  # in another unit


def test_groups_of_ages_come_with_their_meanings_where_they_are_those_of_the_model() -> None:
    said = drafted("Altersgruppe", ["<40", "40-49", "50-59", "70+"])
    assert 'values: {"<40": under_40, "40-49": forties, "50-59": fifties, "70+": seventy_plus}' in said
    assert "values:" not in drafted("age group", ["18-45", "46-65"])


def test_ids_that_repeat_are_asked_with_the_way_to_join() -> None:
    assert "join: case_id" in drafted("record_id", ["a", "a", "b"])


@pytest.mark.parametrize(
    "header",
    [
        "Fever (mother)",
        "Smoker (partner)",
        "Calf pain (other leg)",
        "Calf pain [3 months]",
        "Knee swelling (contralateral)",
        "Age (at diagnosis of OA)",
        "Fever [follow-up]",
        "previous DVT (family)",
        "duration of symptoms (h)",
        "fever_d30",
        "calf_pain_m3",
        "calf_pain_fu2",
        "Family history (choice=Fever)",
        "Antecedentes familiares (choice=Diabetes)",
        "hay fever",
    ],
)
def test_words_beside_a_name_that_may_change_it_are_no_units(header: str) -> None:
    values = ("Checked", "Unchecked") if "choice" in header else ("yes", "no")
    assert proposed(header, values) == ""


@pytest.mark.parametrize(
    ("header", "variable"),
    [
        ("Calf pain (yes/no)", "calf_pain"),
        ("Gender (M/F)", "sex"),
        ("Does your calf hurt?", "calf_pain"),
        ("Have you fever?", "fever"),
        ("¿Tiene fiebre?", "fever"),
        ("THIGHPN", "thigh_pain"),
        ("KNEESWEL", "knee_swelling"),
        ("POPSWELL", "popliteal_swelling"),
        ("PRIORVTE", "previous_dvt"),
        ("rf_smoker", "smoker"),
    ],
)
def test_questions_and_names_of_eight_letters_are_taken_apart(header: str, variable: str) -> None:
    assert proposed(header) == variable


@pytest.mark.parametrize("of", ["Symptoms", "Diagnosis", "Family history", "Past medical history"])
def test_a_tick_at_a_diagnosis_is_never_evidence_unasked(of: str) -> None:
    assert proposed(f"{of} (choice=DVT)", ("Checked", "Unchecked")) == ""


def test_what_a_question_and_a_choice_say_together_is_asked() -> None:
    said = DRAFTER.draft(pa.table({"Pain map (choice=Medial compartment)": ["Checked", "Unchecked"] * 4})).text
    assert '"Pain map (choice=Medial compartment)": [inner_knee_pain]' in said


def test_a_diagnosis_in_a_list_of_choices_is_asked() -> None:
    said = drafted("Symptoms", ["fever, DVT", "DVT", "fever"] * 5)
    assert "fever: {fever: present}" in said
    assert "dvt: {unsure: unsure}" in said


def test_a_label_of_somebody_else_is_heard() -> None:
    table = pa.table({"SMOKER": ["yes", "no"] * 3})
    said = DRAFTER.draft(table, {"SMOKER": "Did the mother smoke?"}).text
    assert "SMOKER: [smoker]" in said


@pytest.mark.parametrize("header", ["age_cat", "AGECAT", "age_code", "duration_cat"])
def test_a_code_is_no_number(header: str) -> None:
    assert f"{header}: [" in drafted(header, ["1", "2", "3"] * 4)


def test_a_tick_beside_a_yes_and_minus_one_without_are_asked() -> None:
    assert "x: unsure" in drafted("smoker", ["y", "n", "x"] * 4)
    assert "x: present" in drafted("smoker", ["x", "x"] * 4)
    assert '"-1": unsure' in drafted("smoker", ["0", "-1"] * 4)
    assert '"-1": unknown' in drafted("smoker", ["0", "1", "-1"] * 4)


def test_a_label_that_says_more_than_the_name_goes_before_it_and_another_is_asked() -> None:
    table = pa.table({"TVTANAM": ["ja", "nein"] * 3, "FEVER": ["yes", "no"] * 3})
    said = DRAFTER.draft(table, {"TVTANAM": "TVT in der Anamnese", "FEVER": "Calf pain"}).text
    assert "variable: previous_dvt" in said
    assert "FEVER: [calf_pain, fever]" in said


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ("PYREX", "fever"),  # cut short without a full stop
        ("Hypert.", "hypertension"),  # and alone
        ("rf_bed3d", "bed_confined"),
        ("DDimer ng/mL FEU", "d_dimer"),
        ("Does the leg buckle, or do you feel that you cannot trust it?", "giving_way"),
        ("Weight-bearing", "cannot_bear_weight"),
        ("Lachman", "ligament_laxity"),
    ],
)
def test_a_word_cut_short_a_long_question_and_half_of_an_answer_are_asked(header: str, asked: str) -> None:
    found, near = DRAFTER.variables(header)
    assert not found
    assert asked in near


def test_what_a_person_is_able_to_is_asked_as_turned_round() -> None:
    said = drafted("AbleToWeightbear", ["yes", "no"] * 4)
    assert "AbleToWeightbear: [cannot_bear_weight]  # 8 filled; 'able' may turn its answers round\n" in said


def test_a_minus_is_a_no_beside_a_plus_alone() -> None:
    assert '"-": absent' in drafted("homans", ["+", "-"] * 4)
    assert '"-": unsure' in drafted("homans", ["yes", "-"] * 4)
    assert "neg.: unsure" not in drafted("homans", ["neg.", "pos."] * 4)


def test_an_age_without_a_unit_is_of_years_where_others_are() -> None:
    assert '"": "1"' in drafted("Edad", ["62", "30 años", "41"] * 3)
    assert '"": unsure' in drafted("Edad", ["62", "18 meses", "41"] * 3)


def test_numbers_in_place_of_an_answer_are_no_codes() -> None:
    said = drafted("D-Dimer", [f"{139 + 50 * i}" for i in range(9)])
    assert "D-Dimer: [d_dimer]" in said
    assert "139" not in said


def test_a_rare_sport_that_is_known_is_shown() -> None:
    said = drafted("Sport", ["netball", "cycling", *["tennis"] * 6])
    assert "netball: other_pivoting" in said
    assert "cycling: other\n" in said


def test_a_unit_of_two_lengths_is_years_of_an_age_and_asked_of_a_duration() -> None:
    assert 'j: "1"' in drafted("Alter", ["62 J", "41 J"] * 3)
    assert "j: unsure" in drafted("Schmerzen seit", ["2 J", "3 Wo"] * 3)
    assert "j: unsure" in drafted("Ancienneté des symptômes", ["11 j", "3 mois"] * 3)
