"""The scorer equals the organisers' figures to 1e-12 and scikit-learn's areas. Some changes must not change a score."""

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
    Submission,
    merge_equivalent,
    output_matrices,
    ranking_areas,
    read_submission,
    submission,
)
from heartbeats.common.errors import HeartBeatsError

GOLDEN = Path(__file__).with_name("golden")
TABLES = {"challenge_2020": read_weights(), "challenge_2021": read_weights(GOLDEN / "weights_2021.csv")}
WEIGHTS = TABLES["challenge_2020"]
OUTPUT = "#A0001\n426783006,59118001\n1,0\n0.9,0.1\n"


def random_labels(recordings: int = 60, seed: int = 0) -> np.ndarray:
    """Labels of 24 classes. Some recordings have each class, and some do not."""
    return np.random.default_rng(seed).random((recordings, len(WEIGHTS.classes))) < 0.2


def submitted(labels, binary, scalar, weights: RewardWeights = WEIGHTS) -> Submission:
    names = tuple(str(i) for i in range(len(labels)))
    return Submission(names, labels, binary, scalar, np.zeros(len(labels), bool), weights)


@pytest.mark.parametrize("name", ["plain", "ties", "silent", "awkward"])
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


def test_the_score_files_are_in_the_organisers_form() -> None:
    per_class = np.array([0.5, np.nan])
    scores = Scores(("1", "2|3"), 0.12345, 0.2, 0.3, 0.4, 0.5, 0.6, -0.7, per_class, per_class, np.array([1.0, 0.25]))
    assert scores.table().splitlines() == [
        "AUROC,AUPRC,Accuracy,F-measure,Fbeta-measure,Gbeta-measure,Challenge metric",
        "0.123,0.200,0.300,0.400,0.500,0.600,-0.700",
    ]
    lines = ["Classes,1,2|3", "AUROC,0.500,nan", "AUPRC,0.500,nan", "F-measure,1.000,0.250"]
    assert scores.class_table().splitlines() == lines


@pytest.mark.parametrize("levels", [2, 5, 10**9])
@pytest.mark.parametrize("seed", range(3))
def test_areas_are_those_of_scikit_learn(levels: int, seed: int) -> None:
    labels = random_labels(80, seed)
    scalar = np.random.default_rng(seed).integers(0, levels, labels.shape) / levels + 0.2 * labels * (levels > 5)
    columns = list(zip(labels.T, scalar.T, strict=True))
    for rising in (scalar, scalar**3 / 7 - 1):  # any rising function gives the same areas
        auroc, auprc = ranking_areas(labels, rising)
        np.testing.assert_allclose(auroc, [roc_auc_score(*column) for column in columns], atol=1e-12)
        np.testing.assert_allclose(auprc, [average_precision_score(*column) for column in columns], atol=1e-12)


@pytest.mark.parametrize("value", [True, False])
def test_areas_are_undefined_for_a_class_of_all_or_no_recordings(value: bool) -> None:
    labels = random_labels()
    labels[:, 3] = value
    for areas in ranking_areas(labels, labels.astype(float)):
        assert np.flatnonzero(np.isnan(areas)).tolist() == [3]


def test_the_order_of_recordings_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    scalar = rng.integers(0, 20, (60, 24)) / 20
    one = submitted(random_labels(), scalar > 0.6, scalar)
    other = one.select(rng.permutation(60))
    assert sorted(other.names) == sorted(one.names)
    assert other.score().measures() == pytest.approx(one.score().measures(), abs=1e-12)


def test_the_true_labels_score_1_in_every_measure() -> None:
    labels = random_labels()
    measures = submitted(labels, labels, labels.astype(float)).score().measures()
    assert measures == pytest.approx(dict.fromkeys(measures, 1))


def test_the_challenge_score_is_0_for_sinus_rhythm_always() -> None:
    labels = random_labels()
    sinus = np.zeros_like(labels)
    sinus[:, WEIGHTS.names.index(SINUS_RHYTHM)] = True
    assert submitted(labels, sinus, sinus * 1.0).score().challenge_metric == 0
    assert submitted(labels, np.zeros_like(labels), sinus * 1.0).score().challenge_metric < 0
    assert submitted(sinus, sinus, sinus * 1.0).score().challenge_metric == 0


def test_scores_computed_by_hand() -> None:
    weights = RewardWeights(("1", SINUS_RHYTHM), (("1",), (SINUS_RHYTHM,)), np.array([[1.0, 0.5], [0.5, 1.0]]))
    labels, binary = np.array([[1, 0], [0, 1]], bool), np.array([[1, 1], [0, 1]], bool)
    scores = submitted(labels, binary, np.array([[0.9, 0.6], [0.1, 0.6]]), weights).score()
    assert scores.accuracy == 0.5
    np.testing.assert_allclose(scores.f_measure_classes, [1, 2 / 3])
    assert scores.f_beta_measure == pytest.approx((1 + 5 / 6) / 2)
    assert scores.g_beta_measure == pytest.approx((1 + 1 / 2) / 2)
    # Rewards: (1 + 0.5) / 2 + 1 for these labels, 2 for the true ones, 0.5 / 2 + 1 for sinus rhythm always.
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
        binary, scalar = output_matrices([Prediction("A", pair, (0, 1), (0.2, 0.6))], weights)
        np.testing.assert_array_equal(binary, merged[:1])
        np.testing.assert_allclose(scalar, 0.4 * merged[:1])


def test_an_unclassified_recording_is_scored_without_labels() -> None:
    binary, scalar = output_matrices([unclassified("A", CLASSES)], WEIGHTS)
    assert not binary.any()
    assert not scalar.any()


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_ties_at_infinity_are_ties(value):
    auroc, _ = ranking_areas(np.array([[True], [False]] * 3), np.full((6, 1), value))
    assert auroc == [0.5]
    _, scalar = output_matrices([Prediction("A1", ("284470004", "63593006"), (0, 0), (value, value))], WEIGHTS)
    assert value in scalar


def test_a_missing_output_file_is_named(write_record, tmp_path: Path) -> None:
    for name in ("A0001", "A0002"):
        write_record(name)
    (tmp_path / "A0001.csv").write_text(OUTPUT)
    with pytest.raises(OutputError, match=r"1 of 2 .*A0002\.csv"):
        read_submission(tmp_path, tmp_path)


def test_two_headers_of_one_name_are_an_error(write_record, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_record("A0001", folder=tmp_path / folder)
    with pytest.raises(OutputError, match=r"2 headers are named A0001\.hea, but there is one A0001\.csv"):
        read_submission(tmp_path, tmp_path)


def test_an_unreadable_header_ends_scoring_and_is_named(tmp_path: Path) -> None:
    """Without this recording the score would be another one."""
    (tmp_path / "A0002.hea").symlink_to("nowhere")
    (tmp_path / "A0002.csv").write_text(OUTPUT)
    with pytest.raises(OSError, match=r"A0002\.hea"):
        read_submission(tmp_path, tmp_path)


def test_a_folder_without_headers_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=tmp_path.name):
        read_submission(tmp_path, tmp_path)
    with pytest.raises(NotADirectoryError, match="nowhere"):
        read_submission(tmp_path / "nowhere", tmp_path)


@pytest.mark.parametrize("rows", ["", "1,2\n1,0\n", "1,2\n1\n0.9,0.1\n", "1,2\n1,0\n0.9\n", "\0\x85\xff"])
def test_a_malformed_output_file_is_named(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "A0001.csv"
    path.write_bytes(f"#A0001\n{rows}".encode("latin-1"))
    with pytest.raises(OutputError, match=r"A0001\.csv: needs three rows"):
        read_output(path)
    with pytest.raises(OutputError, match=r"nowhere\.csv: cannot be read"):
        read_output(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("written", "label"),
    [(true, 1) for true in ("1", "True", "true", "T", "t", " 1 ")]
    + [(false, 0) for false in ("0", "1.0", "0.0", "2", "-1", "False", "yes", "nan", "")],
)
def test_labels_are_read_as_by_the_scorer_of_2020(tmp_path: Path, written: str, label: int) -> None:
    path = tmp_path / "A0001.csv"
    path.write_text(f"#A0001\r\n1,2,3,4\r\n{written},0,0,0\r\nnan,high,,1e-3\r\n")
    assert read_output(path).labels == (label, 0, 0, 0)
    np.testing.assert_array_equal(read_output(path).probabilities, [np.nan, 0, 0, 0.001])


def test_an_output_file_reads_as_it_was_written(tmp_path: Path) -> None:
    prediction = Prediction("A0001", ("426783006", "59118001"), (1, 0), (1 / 3, 1e-9))
    path = tmp_path / "A0001.csv"
    write_output(path, prediction)
    assert read_output(path) == prediction
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
    assert WEIGHTS.names == tuple(code for code in CLASSES if code not in {second for _, second in EQUIVALENT})


@pytest.mark.parametrize("name", ["weights.csv", "dx_mapping_scored.csv"])
def test_the_tables_in_the_repository_s_root_are_those_of_the_package(name: str) -> None:
    root = Path(__file__).parents[1]
    assert (root / name).read_bytes() == (root / "heartbeats/challenge" / name).read_bytes()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n\n", "the same codes in the same order"),
        (",1,2\n1,1,0\n", "not a square table of numbers"),
        (",1,2\n2,1,0\n1,0,1\n", "the same codes in the same order"),
        (",1,2\n1,1,0\n2,0\n", "not a square table of numbers"),
        (",1,2\n1,1,x\n2,0,1\n", "not a square table of numbers"),
        (",1,2\n1,1,0,0\n2,0,1,0\n", "not a square table of numbers"),
        (",1\n1,inf\n", "a weight is not a finite number"),
        ("\xff,1\n", "not a square table of numbers"),
        (",713427006,59118001\n713427006,1,0.5\n59118001,0.5,1\n", "have different weights"),
    ],
)
def test_a_wrong_reward_matrix_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "weights.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(HeartBeatsError, match=rf"weights\.csv: .*{reason}"):
        read_weights(path)


def test_labels_are_codes_or_words_and_the_unscored_are_ignored() -> None:
    terms = [("426783006", "164889003", "164889003"), ("LBBB",), ("Normal", "AF"), ("PVC", "STE", "nonsense", ""), ()]
    codes = [{CLASSES[j] for j in np.flatnonzero(row)} for row in label_matrix(terms)]
    assert codes == [{"426783006", "164889003"}, {"164909002"}, {"426783006", "164889003"}, set(), set()]
    assert snomed_codes(("rbbb", "PVC", "59118001", "nonsense")) == ("59118001", "164884008", "59118001", "nonsense")


def test_arrays_of_the_27_classes_score_as_their_output_files(tmp_path):
    rng = np.random.default_rng(0)
    labels, binary = rng.random((2, 30, 27)) < 0.2
    probabilities = rng.random((30, 27))
    probabilities[3] = math.nan
    names = [f"A{i:04}" for i in range(30)]
    for name, true, output in zip(names, labels, predictions(names, binary, probabilities), strict=True):
        codes = ",".join(code for code, has in zip(CLASSES, true, strict=True) if has)
        (tmp_path / f"{name}.hea").write_text(f"{name} 1 500 5000\n#Dx: {codes}\n")
        write_output(tmp_path / f"{name}.csv", output)
    read, made = read_submission(str(tmp_path), str(tmp_path)), submission(names, labels, binary, probabilities)
    assert made.names == read.names
    for name in ("labels", "binary", "scalar", "incomplete"):
        np.testing.assert_array_equal(getattr(made, name), getattr(read, name))
    assert made.score().measures() == read.score().measures()
    with pytest.raises(ValueError, match=r"not \(30, 24\); scoring\.submission takes all 27 classes"):
        submitted(labels, binary, probabilities)
