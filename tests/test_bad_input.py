"""One recording in a folder is wrong. The driver, training and the scorer handle it (docs/bad-input.md)."""

import math
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from conftest import TINY, TINY_TOML, ecg

from heartbeats.challenge.diagnoses import CLASSES
from heartbeats.challenge.outputs import read_output
from heartbeats.challenge.scoring import read_submission
from heartbeats.classification.folder import Outcome, classify_folder
from heartbeats.ecg.header import find_headers
from heartbeats.training.cohort import select_recordings

ROOT = Path(__file__).parents[1]
ECG = ecg()


@dataclass(frozen=True)
class Case:
    """A fault, a part of the driver's message (``None``: no message), and whether the recording is used."""

    spoil: Callable[[Path], object]
    message: str | None = None
    classified: bool = True
    trains: bool = True


def header(old: str, new: str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_text().replace(old, new).encode("latin-1"))


def signal(values: object, **options: object) -> Callable[[Path], object]:
    return lambda path: scipy.io.savemat(path.with_suffix(".mat"), {"val": values}, **options)


def content(change: Callable[[bytes], bytes], suffix: str = ".mat") -> Callable[[Path], object]:
    return lambda path: path.with_suffix(suffix).write_bytes(change(path.with_suffix(suffix).read_bytes()))


def leads(count: int) -> Callable[[Path], object]:
    def keep(path: Path) -> None:
        lines = path.read_text().splitlines()
        lines[0] = lines[0].replace(" 12 ", f" {count} ")
        more = [lines[1].rsplit(" ", 1)[0] + f" {frank}" for frank in ("vx", "vy", "vz")][: max(0, count - 12)]
        path.write_text("\n".join(lines[: 1 + min(count, 12)] + more + lines[13:]) + "\n")
        signal(np.vstack([ECG, ECG[:3]])[:count], format="4")(path)

    return keep


def missing(value: float, number: type = float) -> Callable[[Path], object]:
    values = ECG.astype(number)
    values[:, 1000:1100] = value
    return signal(values)


def without_mat(path: Path) -> None:
    path.with_suffix(".mat").unlink()


def both(*spoils: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda path: [spoil(path) for spoil in spoils]


def expanding(path: Path) -> None:
    """Write a MATLAB 5 file whose variable announces a matrix of a gigabyte of zeros."""
    compressor = zlib.compressobj(1)
    zeros = b"".join(compressor.compress(bytes(2**20)) for _ in range(1024)) + compressor.flush()
    start = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    path.with_suffix(".mat").write_bytes(start + struct.pack("<II", 15, len(zeros)) + zeros)


REFUSED = {"classified": False}
USELESS = {"classified": False, "trains": False}
UNLABELLED = {"trains": False}
MISSING_LEADS = "leads missing, taken as 0 mV: "
CASES = {
    # headers
    "empty header": Case(content(lambda _: b"", ".hea"), "header describes no leads\n", **USELESS),
    "binary header": Case(content(lambda _: bytes(range(256)), ".hea"), "header describes no leads\n", **USELESS),
    "header cut in the middle": Case(content(lambda b: b[:200], ".hea"), "announces 12 leads", **USELESS),
    "fewer leads announced": Case(header(" 12 ", " 8 "), "header has 8 leads, signal has 12", **REFUSED),
    "more leads announced": Case(header(" 12 ", " 15 "), "announces 15 leads", **REFUSED),
    "several segments": Case(header("A0003 12", "A0003/3 12"), "a record of 3 segments: join them", **REFUSED),
    "no rate": Case(header("A0003 12 500 5000", "A0003 12"), "header states no sampling rate\n", **REFUSED),
    "rate of 0": Case(header(" 500 5000", " 0 5000"), "sampling rate 0 Hz", **REFUSED),
    "negative rate": Case(header(" 500 5000", " -500 5000"), "sampling rate -500 Hz", **REFUSED),
    "no gain": Case(content(lambda b: re.sub(rb"16\+24 .* ", b"16+24 ", b), ".hea"), "no usable gain"),
    "no gain and no lead name": Case(
        content(lambda b: re.sub(rb" 1000/mV .*", b"", b), ".hea"), "none of the leads", **REFUSED
    ),
    "resolution in the gain's place": Case(header(" 1000/mV 16 0 ", " 16 0 "), "the stated gain of 16 per mV does not"),
    "gain in words": Case(header("1000/mV", "?/mV"), "no usable gain"),
    "gain of 0": Case(header("1000/mV", "0/mV"), "no usable gain"),
    "gain NaN": Case(header("1000/mV", "nan/mV"), "no usable gain"),
    "NAME.mat as record name": Case(header("A0003 12", "A0003.mat 12")),
    "CRLF": Case(header("\n", "\r\n")),
    "Latin-1": Case(header("#Dx", "#Hx: névralgie\n#Dx")),
    "no newline at the end": Case(content(bytes.rstrip, ".hea")),
    "no Dx": Case(header("#Dx: 426783006\n", ""), **UNLABELLED),
    "empty Dx": Case(header("426783006", ""), **UNLABELLED),
    "unknown Dx": Case(header("426783006", "1,x"), **UNLABELLED),
    "Dx in words": Case(header("426783006", "LBBB")),
    "trailing commas": Case(header("426783006", ",426783006,,")),
    "repeated codes": Case(header("426783006", "426783006,426783006")),
    "folders in the record name": Case(header("A0003 12", "../../x/A0003 12")),
    "absolute record name": Case(header("A0003 12", "/A0003 12")),
    # signals
    "no .mat": Case(without_mat, "no signal file", **REFUSED),
    "empty .mat": Case(content(lambda _: b""), "A0003.mat cannot be read", **REFUSED),
    "truncated .mat": Case(content(lambda b: b[:5000]), "A0003.mat cannot be read", **REFUSED),
    "another variable": Case(content(lambda b: b.replace(b"val", b"lav")), "no variable 'val'", **REFUSED),
    "text in .mat": Case(signal("ECG"), "not an array of real numbers", **REFUSED),
    "transposed": Case(signal(ECG.T), "signal has 5000", **REFUSED),
    "fewer samples than announced": Case(signal(ECG[:, :4000]), "announces 5000 samples, signal has 4000"),
    "float with NaN": Case(missing(math.nan), "100 missing samples bridged"),
    "float with infinity": Case(missing(math.inf), "100 missing samples bridged"),
    "-32768": Case(missing(-32768, np.int16), "100 missing samples bridged"),
    "all NaN": Case(signal(ECG * math.nan), "all leads are flat"),
    "all zero": Case(signal(ECG * 0), "all leads are flat"),
    "all constant": Case(signal(ECG * 0 + 1), "all leads are flat"),
    "constant leads": Case(signal(np.where(np.arange(12)[:, None] < 3, 77, ECG))),
    "one sample": Case(signal(ECG[:, :1]), "shorter than 1 s", **REFUSED),
    "no samples": Case(signal(ECG[:, :0]), "0 samples", **REFUSED),
    "three dimensions": Case(signal(ECG[..., None]), "not a table of numbers but 3-dimensional", **REFUSED),
    "half an hour at 1000 Hz": Case(both(header(" 500 5000", " 1000 1800000"), signal(np.tile(ECG, 360), format="4"))),
    "1 lead": Case(leads(1), MISSING_LEADS + "II, V1"),
    "2 leads": Case(leads(2), MISSING_LEADS + "V1"),
    "3 leads": Case(leads(3), MISSING_LEADS + "V1"),
    "6 leads": Case(leads(6), MISSING_LEADS + "V1"),
    "8 leads": Case(leads(8), MISSING_LEADS + "V3"),
    "15 leads": Case(leads(15)),
    "expands to gigabytes": Case(expanding, "expands to more than", **REFUSED),
    # files
    "dangling link": Case(lambda path: (path.unlink(), path.symlink_to("nowhere")), "cannot be read", **USELESS),
    "a folder named .mat": Case(
        both(without_mat, lambda path: path.with_suffix(".mat").mkdir()), "not a file", **REFUSED
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_one_wrong_recording_is_named_and_the_others_are_classified(case, classifier, write_record, tmp_path, capsys):
    data, out = tmp_path / "data", tmp_path / "out"
    for i in range(5):
        write_record(f"A000{i}", folder=data)
    case.spoil(data / "A0003.hea")

    outcome = classify_folder(classifier, data, out)
    assert outcome == (Outcome(5, 0, 0) if case.classified else Outcome(4, 1, 0))
    lines = capsys.readouterr().err.splitlines(keepends=True)
    printed = "".join(line for line in lines if "the networks read only the first 4 s" not in line)
    assert [line for line in printed.splitlines() if not line.startswith("A0003: ")] == []
    assert (case.message or "") in printed
    assert bool(printed) == (case.message is not None)
    for i in range(5):
        answer = read_output(out / f"A000{i}.csv")
        assert answer.classes == CLASSES
        assert not any(map(math.isnan, answer.probabilities)) or (i == 3 and not case.classified)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]

    selection = select_recordings(find_headers(data), TINY.cohort)
    assert len(selection.header_files) == len(selection.labels) == 4 + case.trains
    assert sum(map(len, selection.left_out.values())) == 1 - case.trains

    if (data / "A0003.hea").exists():
        assert math.isfinite(read_submission(data, out).score().f_measure)


def limited(script: str, *arguments: object, size: int) -> subprocess.CompletedProcess[str]:
    """Run a command that may not write files beyond a size, as on a full disk."""
    code = (
        "import resource, runpy, sys; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); "
        "sys.argv = sys.argv[1:]; sys.path.insert(0, '.'); runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", code, script, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_training_on_a_full_disk_ends_with_the_reason_and_can_resume(simulated, tmp_path):
    config = tmp_path / "tiny.toml"
    config.write_text(TINY_TOML)
    command = ("train_model.py", simulated, tmp_path / "model", "--config", config)
    full = limited(*command, size=100_000)
    assert full.returncode == 1
    assert re.search(r"train_model.py: \[Errno 27\] File too large: '.*.safetensors'", full.stderr)
    assert "Traceback" not in full.stderr
    assert not (tmp_path / "model/model.json").exists()
    again = limited(*command, size=2**40)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "model/model.json").exists()


def test_the_driver_on_a_full_disk_ends_with_the_reason(simulated, model_directory, tmp_path):
    full = limited("driver.py", model_directory, simulated, tmp_path / "out", size=300)
    assert full.returncode == 1
    assert re.search(r"driver.py: \[Errno 27\] File too large: '.*/out/A\d+.csv'", full.stderr)
    assert "Traceback" not in full.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_two_drivers_can_share_an_output_folder(simulated, model_directory, tmp_path):
    command = [sys.executable, "driver.py", model_directory, simulated, tmp_path / "out"]
    drivers = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [driver.wait(timeout=300) for driver in drivers] == [0, 0]
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == [f"{path.stem}.csv" for path in find_headers(simulated)]
    assert all(read_output(path).classes == CLASSES for path in written)


def test_an_output_folder_inside_the_data_folder_is_not_read_as_data(classifier, write_record, tmp_path):
    write_record("A0001", folder=tmp_path)
    for _ in range(2):
        assert classify_folder(classifier, tmp_path, tmp_path / "out") == Outcome(1, 0, 0)


def test_an_output_folder_that_is_a_file_is_refused(classifier, write_record, tmp_path):
    write_record("A0001", folder=tmp_path / "data")
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OSError, match="out"):
        classify_folder(classifier, tmp_path / "data", tmp_path / "out")
