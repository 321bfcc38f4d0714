"""The scorer: the organisers' own figures to 1e-12, scikit-learn's areas, and what must not change a score."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from heartbeats.challenge.diagnoses import (
    CLASSES,
    EQUIVALENT,
    SINUS_RHYTHM,
    RewardWeights,
    label_matrix,
    read_weights,
    snomed_codes,
)
from heartbeats.challenge.outputs import OutputError, Prediction, predictions, read_output, unclassified, write_output
from heartbeats.challenge.scoring import (
    Scores,
    merge_equivalent,
    output_matrices,
    ranking_areas,
    read_submission,
    score,
    submission,
)

GOLDEN = Path(__file__).with_name("golden")
SETS = ("plain", "ties", "silent", "awkward")
TABLES = {"challenge_2020": read_weights(), "challenge_2021": read_weights(GOLDEN / "weights_2021.csv")}
WEIGHTS = TABLES["challenge_2020"]
OUTPUT = "#A0001\n426783006,59118001\n1,0\n0.9,0.1\n"


def random_labels(recordings: int = 60, seed: int = 0) -> np.ndarray:
    """Labels of 24 classes, each of which some recordings have and some have not."""
    return np.random.default_rng(seed).random((recordings, len(WEIGHTS.classes))) < 0.2


def answers(seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, binary and scalar outputs, with ties."""
    scalar = np.random.default_rng(seed).integers(0, 20, (60, 24)) / 20
    return random_labels(), scalar > 0.6, scalar


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("year", TABLES)
def test_the_organisers_figures_are_reproduced(tmp_path: Path, name: str, year: str) -> None:
    golden = json.loads((GOLDEN / f"scoring_{name}.json").read_text())
    for record, files in golden["records"].items():
        (tmp_path / f"{record}.hea").write_text(f"{record} 12 500 5000\n#Dx: {files['dx']}\n")
        (tmp_path / f"{record}.csv").write_text(files["output"])
    scores = read_submission(tmp_path, tmp_path, TABLES[year]).score()
    expected = golden["expected"][year]
    assert list(scores.classes) == expected.pop("classes")
    assert len(expected) >= 8
    for measure, value in expected.items():
        wanted = np.array(value, dtype=np.float64)  # null becomes NaN
        np.testing.assert_allclose(getattr(scores, measure), wanted, rtol=0, atol=1e-12, err_msg=measure)

    rows = [expected["auroc_classes"], expected["auprc_classes"], expected["f_measure_classes"]]
    printed = [",".join(f"{math.nan if value is None else value:.3f}" for value in row) for row in rows]
    assert [line.split(",", 1)[1] for line in scores.class_table().splitlines()[1:]] == printed
    if year == "challenge_2020":
        figures = ("auroc", "auprc", "accuracy", "f_measure", "f_beta_measure", "g_beta_measure", "challenge_metric")
        assert scores.table().splitlines()[1] == ",".join(f"{expected[figure]:.3f}" for figure in figures)


def test_the_score_files_are_in_the_organisers_form() -> None:
    per_class = np.array([0.5, np.nan])
    scores = Scores(("1", "2|3"), 0.12345, 0.2, 0.3, 0.4, 0.5, 0.6, -0.7, per_class, per_class, np.array([1.0, 0.25]))
    assert scores.table().splitlines() == [
        "AUROC,AUPRC,Accuracy,F-measure,Fbeta-measure,Gbeta-measure,Challenge metric",
        "0.123,0.200,0.300,0.400,0.500,0.600,-0.700",
    ]
    assert scores.class_table().splitlines() == [
        "Classes,1,2|3",
        "AUROC,0.500,nan",
        "AUPRC,0.500,nan",
        "F-measure,1.000,0.250",
    ]


@pytest.mark.parametrize("levels", [2, 5, 10**9])
@pytest.mark.parametrize("seed", range(3))
def test_areas_are_those_of_scikit_learn(levels: int, seed: int) -> None:
    labels = random_labels(80, seed)
    scalar = np.random.default_rng(seed).integers(0, levels, labels.shape) / levels + 0.2 * labels * (levels > 5)
    auroc, auprc = ranking_areas(labels, scalar)
    columns = list(zip(labels.T, scalar.T, strict=True))
    np.testing.assert_allclose(auroc, [roc_auc_score(*column) for column in columns], atol=1e-12)
    np.testing.assert_allclose(auprc, [average_precision_score(*column) for column in columns], atol=1e-12)


@pytest.mark.parametrize("value", [True, False])
def test_areas_of_a_class_that_all_or_none_have_are_undefined(value: bool) -> None:
    labels = random_labels()
    labels[:, 3] = value
    for areas in ranking_areas(labels, labels.astype(float)):
        assert np.isnan(areas[3])
        assert np.isfinite(np.delete(areas, 3)).all()


def test_the_order_of_recordings_does_not_matter() -> None:
    order = np.random.default_rng(2).permutation(60)
    labels, binary, scalar = answers()
    one, other = score(labels, binary, scalar, WEIGHTS), score(labels[order], binary[order], scalar[order], WEIGHTS)
    assert other.measures() == pytest.approx(one.measures(), abs=1e-12)
    np.testing.assert_allclose(other.auprc_classes, one.auprc_classes, atol=1e-12)


def test_any_rising_function_of_the_probabilities_gives_the_same_areas() -> None:
    labels, _, scalar = answers()
    for one, other in zip(ranking_areas(labels, scalar), ranking_areas(labels, scalar**3 / 7 - 1), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_perfect_answers_score_1_throughout() -> None:
    labels = random_labels()
    measures = score(labels, labels, labels.astype(float), WEIGHTS).measures()
    assert measures == pytest.approx(dict.fromkeys(measures, 1))


def test_sinus_rhythm_always_scores_0_and_no_answer_less() -> None:
    labels = random_labels()
    sinus = np.zeros_like(labels)
    sinus[:, WEIGHTS.names.index(SINUS_RHYTHM)] = True
    assert score(labels, sinus, sinus * 1.0, WEIGHTS).challenge_metric == 0
    assert score(labels, np.zeros_like(labels), sinus * 1.0, WEIGHTS).challenge_metric < 0


def test_the_challenge_score_of_nothing_but_sinus_rhythm_is_undefined() -> None:
    labels = np.zeros((4, 24), bool)
    labels[:, WEIGHTS.names.index(SINUS_RHYTHM)] = True
    assert math.isnan(score(labels, labels, labels * 1.0, WEIGHTS).challenge_metric)


def test_a_hand_computed_score() -> None:
    weights = RewardWeights(("1", SINUS_RHYTHM), (("1",), (SINUS_RHYTHM,)), np.array([[1.0, 0.5], [0.5, 1.0]]))
    labels = np.array([[1, 0], [0, 1]], bool)
    binary = np.array([[1, 1], [0, 1]], bool)
    scores = score(labels, binary, np.array([[0.9, 0.6], [0.1, 0.6]]), weights)
    assert scores.accuracy == 0.5
    np.testing.assert_allclose(scores.f_measure_classes, [1, 2 / 3])
    assert scores.f_beta_measure == pytest.approx((1 + 5 / 6) / 2)
    assert scores.g_beta_measure == pytest.approx((1 + 1 / 2) / 2)
    # Rewards: (1 + 0.5) / 2 + 1 for these answers, 2 for the right ones, 0.5 / 2 + 1 for sinus rhythm always.
    assert scores.challenge_metric == pytest.approx((1.75 - 1.25) / (2 - 1.25))
    np.testing.assert_allclose(scores.auroc_classes, [1, 0.5])


@pytest.mark.parametrize("year", TABLES)
def test_equivalent_codes_are_one_class(year: str) -> None:
    weights = TABLES[year]
    for pair in EQUIVALENT:
        columns = np.array([[code == one for code in CLASSES] for one in pair])
        merged = merge_equivalent(columns, weights)
        assert merged.sum(axis=1).tolist() == [1, 1]
        np.testing.assert_array_equal(merged[0], merged[1])
        np.testing.assert_array_equal(merged, label_matrix([[one] for one in pair], weights.classes))
        answer = Prediction("A", pair, (0, 1), (0.2, 0.6))
        binary, scalar = output_matrices([answer], weights)
        np.testing.assert_array_equal(binary, merged[:1])
        np.testing.assert_allclose(scalar, 0.4 * merged[:1])


def test_an_unclassified_recording_is_scored_as_answering_nothing() -> None:
    binary, scalar = output_matrices([unclassified("A", CLASSES)], WEIGHTS)
    assert not binary.any()
    assert not scalar.any()


def test_a_missing_output_file_is_named(write_record, tmp_path: Path) -> None:
    for name in ("A0001", "A0002"):
        write_record(name)
    (tmp_path / "A0001.csv").write_text(OUTPUT)
    with pytest.raises(OutputError, match=r"1 of 2 .*A0002\.csv"):
        read_submission(tmp_path, tmp_path)


def test_two_headers_of_one_output_file_are_named(write_record, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_record("A0001", folder=tmp_path / folder)
    (tmp_path / "A0001.csv").write_text(OUTPUT)
    with pytest.raises(OutputError, match=r"2 headers are named A0001\.hea, but there is one A0001\.csv"):
        read_submission(tmp_path, tmp_path)


def test_a_header_that_cannot_be_read_is_named(write_record, tmp_path: Path) -> None:
    """A score without one of the recordings would be another score."""
    write_record("A0001")
    (tmp_path / "A0001.csv").write_text(OUTPUT)
    (tmp_path / "A0002.hea").symlink_to("nowhere")
    (tmp_path / "A0002.csv").write_text(OUTPUT)
    with pytest.raises(OSError, match=r"A0002\.hea"):
        read_submission(tmp_path, tmp_path)


def test_folders_that_hold_nothing_to_score_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        read_submission(tmp_path, tmp_path)
    with pytest.raises(NotADirectoryError, match="nowhere"):
        read_submission(tmp_path / "nowhere", tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#A0001\n",
        b"#A0001\n426783006,59118001\n1,0\n",
        b"#A0001\n426783006,59118001\n1\n0.9,0.1\n",
        b"#A0001\n426783006,59118001\n1,0\n0.9\n",
        bytes(range(256)),
    ],
)
def test_a_malformed_output_file_is_named(write_record, tmp_path: Path, content: bytes) -> None:
    write_record("A0001")
    (tmp_path / "A0001.csv").write_bytes(content)
    with pytest.raises(OutputError, match=r"A0001\.csv"):
        read_submission(tmp_path, tmp_path)


@pytest.mark.parametrize("path", ["nowhere.csv", "."])
def test_an_output_file_that_is_none_is_an_output_error(tmp_path: Path, path: str) -> None:
    with pytest.raises(OutputError):
        read_output(tmp_path / path)


@pytest.mark.parametrize(
    ("written", "label"),
    [(true, 1) for true in ("1", "True", "true", "T", "t", " 1 ")]
    + [(false, 0) for false in ("0", "1.0", "0.0", "2", "-1", "False", "yes", "nan", "")],
)
def test_labels_are_read_as_by_the_scorer_of_2020(tmp_path: Path, written: str, label: int) -> None:
    path = tmp_path / "A0001.csv"
    path.write_text(f"#A0001\n426783006,59118001\n{written},0\n0.9,0.1\n")
    assert read_output(path).labels == (label, 0)


def test_probabilities_that_are_no_numbers_are_nan(tmp_path: Path) -> None:
    path = tmp_path / "A0001.csv"
    path.write_text("#A0001\r\n1,2,3,4\r\n0,0,0,0\r\nnan,high,,1e-3\r\n")
    np.testing.assert_array_equal(read_output(path).probabilities, [np.nan, np.nan, np.nan, 0.001])


def test_an_output_file_reads_as_it_was_written(tmp_path: Path) -> None:
    diagnosis = Prediction("A0001", ("426783006", "59118001"), (1, 0), (1 / 3, 1e-9))
    path = tmp_path / "A0001.csv"
    write_output(path, diagnosis)
    assert read_output(path) == diagnosis
    assert path.read_bytes() == b"#A0001\n426783006,59118001\n1,0\n0.3333333333333333,1e-09\n"
    write_output(path, Prediction("A0001", ("1",), (np.True_,), (np.float32(0.5),)))
    assert path.read_text() == "#A0001\n1\n1\n0.5\n"


def test_rewards_are_the_organisers_with_pairs_scored_as_one() -> None:
    assert len(CLASSES) == len(set(CLASSES)) == 27
    for weights in TABLES.values():
        codes = [code for codes in weights.classes for code in codes]
        assert len(codes) == len(set(codes))
        assert weights.weights.shape == (len(weights.classes),) * 2
        np.testing.assert_array_equal(np.diag(weights.weights), 1)
        np.testing.assert_array_equal(weights.weights, weights.weights.T)
        assert sum(len(codes) > 1 for codes in weights.classes) == {24: 3, 26: 4}[len(weights.classes)]
    assert {code for codes in WEIGHTS.classes for code in codes} == set(CLASSES)
    assert WEIGHTS.names == tuple(code for code in CLASSES if code not in {second for _, second in EQUIVALENT})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        ",1,2\n1,1,0\n",
        ",1,2\n2,1,0\n1,0,1\n",
        ",1,2\n1,1,0\n2,0\n",
        ",1,2\n1,1,x\n2,0,1\n",
        ",1,2\n1,1,0,0\n2,0,1,0\n",
        ",713427006,59118001\n713427006,1,0.5\n59118001,0.5,1\n",
    ],
)
def test_a_reward_matrix_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "weights.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"weights\.csv"):
        read_weights(path)


def test_labels_are_codes_or_words_and_the_unscored_are_passed_over() -> None:
    terms = [("426783006", "164889003", "164889003"), ("LBBB",), ("Normal", "AF"), ("PVC", "STE", "nonsense", ""), ()]
    labels = label_matrix(terms)
    codes = [{CLASSES[j] for j in np.flatnonzero(row)} for row in labels]
    assert codes == [{"426783006", "164889003"}, {"164909002"}, {"426783006", "164889003"}, set(), set()]
    assert snomed_codes(("rbbb", "PVC", "59118001", "nonsense")) == ("59118001", "164884008", "59118001", "nonsense")


def test_arrays_of_the_27_classes_score_as_their_output_files(tmp_path):
    rng = np.random.default_rng(0)
    labels, answered = rng.random((2, 30, 27)) < 0.2
    probabilities = rng.random((30, 27))
    probabilities[3] = math.nan
    names = [f"A{i:04}" for i in range(30)]
    for name, true, output in zip(names, labels, predictions(names, answered, probabilities), strict=True):
        codes = ",".join(code for code, has in zip(CLASSES, true, strict=True) if has)
        (tmp_path / f"{name}.hea").write_text(f"{name} 1 500 5000\n#Dx: {codes}\n")
        write_output(tmp_path / f"{name}.csv", output)
    read, made = read_submission(str(tmp_path), str(tmp_path)), submission(names, labels, answered, probabilities)
    assert made.names == read.names
    for name in ("labels", "binary", "scalar", "incomplete"):
        np.testing.assert_array_equal(getattr(made, name), getattr(read, name))
    assert made.score().measures() == read.score().measures()
    with pytest.raises(ValueError, match=r"for 24 classes; scoring\.submission takes all 27"):
        score(labels, answered, probabilities, read_weights())


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_ties_at_infinity_are_ties(value):
    labels = np.array([[True], [False]] * 3)
    auroc, _ = ranking_areas(labels, np.full((6, 1), value))
    assert auroc == [0.5]
    pair = Prediction("A1", ("284470004", "63593006"), (0, 0), (value, value))
    _, scalar = output_matrices([pair], read_weights())
    assert value in scalar


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"x,1\n1,inf\n", "holds a weight that is no number"), (b"\xff,1\n", "not a table of numbers")],
)
def test_reward_weights_that_are_none_are_named(tmp_path, content, reason):
    (tmp_path / "weights.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"weights\.csv: {reason}"):
        read_weights(tmp_path / "weights.csv")
