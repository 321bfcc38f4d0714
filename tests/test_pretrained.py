"""The model that comes with the code gives the answers that it gave when it was made, and is small."""

import re
import shutil
from pathlib import Path

import pytest
from conftest import ecg

from heartbeats import load_model, read_recording
from heartbeats.classification.folder import classify_folder
from heartbeats.classification.model_folder import PRETRAINED, ModelError
from heartbeats.common.digest import PACKAGE
from heartbeats.show import main as show

FAST, SLOW = "STach", "SB"
GOLDEN = {"STach": 0.408, "TAb": 0.406, "IAVB": 0.354, "NSR": 0.285, "PAC": 0.277, "TInv": 0.263, "SB": 0.053}


def probabilities(header_file: Path) -> dict[str, float]:
    model = load_model()
    (answer,) = model.classify([model.prepare(read_recording(header_file))])
    return dict(zip(model.classes.abbreviations, answer.probabilities, strict=True))


def test_the_answers_are_those_of_the_day_it_was_made(write_record):
    """If this fails after a change of ecg, preparation, networks or classification, the model must be made again."""
    found = probabilities(write_record(signal=ecg(rate=120)))
    assert {name: found[name] for name in GOLDEN} == pytest.approx(GOLDEN, abs=0.003)


def test_its_folder_is_loaded_without_a_warning(caplog):
    """Workers of a cluster get the folder, not the word."""
    assert load_model(load_model().directory).members
    assert caplog.text == ""


def test_its_name_does_not_hide_another_model(model_directory, tmp_path, monkeypatch):
    shutil.copytree(model_directory, tmp_path / "pretrained")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="has the name of the model that comes with the code"):
        load_model("pretrained")
    assert load_model(tmp_path / "pretrained").members


def test_it_is_at_most_10_mb_and_names_no_recording():
    files = [path for path in (PACKAGE / PRETRAINED).iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 10e6
    assert not any(b"HR0" in path.read_bytes() for path in files if path.suffix != ".safetensors")


def test_it_tells_fast_rhythms_from_slow_ones(write_record):
    fast, slow = (probabilities(write_record(signal=ecg(rate=rate))) for rate in (130, 45))
    assert fast[FAST] > 0.2 > slow[FAST]
    assert slow[SLOW] > 0.5 > fast[SLOW]


def test_its_diagnoses_of_one_recording_are_printed(write_record, tmp_path, capsys):
    show([str(write_record(signal=ecg(rate=45))), "-o", str(tmp_path / "page.html")])
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("Diagnoses"))
    assert re.fullmatch(r"Diagnoses \(probability\): .*sinus bradycardia \(0\.\d\d\).*", line)


def test_the_recordings_that_made_it_are_known_at_500_hz(ecg_data, tmp_path):
    """Its networks learnt from PTB-XL at 100 Hz; these 29 are some of the same recordings at 500 Hz."""
    outcome = classify_folder(load_model(), ecg_data / "challenge/ptb_xl", tmp_path)
    lines = (ecg_data / "ptbxl100/patients.csv").read_text().splitlines()
    names = {line.split(",")[0]: line.split(",")[2] for line in lines}
    folds = [names.get(path.stem) for path in (ecg_data / "challenge/ptb_xl").rglob("*.hea")]
    labelled = sum(fold is not None and fold != "10" for fold in folds)
    assert outcome.failed == 0
    assert 0.9 * labelled <= outcome.seen <= labelled
