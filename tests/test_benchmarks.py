"""The benchmarks' own arithmetic, and that the one for GPUs runs on a CPU. No figure of speed is looked at."""

import os
import re
import sys

import pytest
from conftest import ecg

from benchmarks import training_speed
from benchmarks.measuring import curve, interleaved, ratio, watch
from benchmarks.without_rule import groups_without_rule
from heartbeats.preparation import store
from heartbeats.preparation.prepared import prepare_files


def test_ratios_are_of_pairs_with_the_interval_of_their_median():
    assert ratio([2, 4, 6], [1, 2, 3]) == "2.00 (2.00 to 2.00, 3 pairs)"
    assert ratio([1, 2, 3], [1, 1, 1]) == "2.00 (1.00 to 3.00, 3 pairs)"


def test_measurements_are_taken_in_turn():
    taken = iter(range(6))
    assert interleaved(3, lambda: next(taken), lambda: next(taken)) == [(0, 1), (2, 3), (4, 5)]


def test_the_memory_of_a_command_includes_its_children(tmp_path):
    child = "import time; held = bytearray(200 * 2**20); time.sleep(1)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    peak, seconds = watch([sys.executable, "-c", code], tmp_path)
    assert 200 * 2**20 < peak < 400 * 2**20
    assert seconds > 1
    with pytest.raises(RuntimeError, match="ended with 3"):
        watch([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_a_curve_is_the_same_file_each_time(tmp_path):
    for name in ("a.svg", "b.svg"):
        curve(tmp_path / name, [1000, 4000], {"one": [1, 2], "other": [3, 40]}, xlabel="recordings", ylabel="s")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "recordings" in (tmp_path / "a.svg").read_text()


def test_the_store_that_is_timed_without_the_bradycardia_rule_is_like_any_but_for_the_rule(
    write_record, tmp_path, monkeypatch
):
    header_file = write_record("A0001", ecg(rate=50))
    (whole,) = prepare_files([header_file], tmp_path / "whole")
    monkeypatch.setattr(store, "read_groups_ahead", groups_without_rule)
    (without,) = prepare_files([header_file], tmp_path / "without")
    assert (whole.bradycardia, without.bradycardia) == (True, False)
    assert (without.signal.tobytes(), without.digest) == (whole.signal.tobytes(), whole.digest)


def test_the_speed_of_training_is_measured_on_any_device(tmp_path, monkeypatch, capsys):
    config = tmp_path / "tiny.toml"
    config.write_text(
        "[network]\nwidth = 4\nblocks = [1, 1]\nreduction = 2\n[training]\nseconds = [2.0, 1.0]\n"
        "[relabelling]\nseconds = 2.0\n"
    )
    monkeypatch.setattr(sys, "argv", [os.devnull, "--config", str(config), "--recordings", "20", "--repeats", "1"])
    training_speed.main()
    printed = capsys.readouterr().out
    for length in ("2 s", "1 s"):
        for name in ("training", training_speed.READY, training_speed.LOADER):
            assert re.search(
                rf"^{length}, {name}: [\d.]+ recordings/s, \d+% of the matrix rate$", printed, re.MULTILINE
            )
    assert "43101 recordings, prepared, three networks of 19 epochs" in printed
