"""Train the U-Net for premature ventricular beats, and measure it on patients that it was not trained on.

MITDB is the MIT-BIH Arrhythmia Database 1.0.0. DATA is a folder of Challenge recordings. OUT gets pvc_unet.safetensors,
pvc_unet.md (the figures) and pvc_unet.csv (the counts of each record). It takes 15 minutes on one core.
"""

import argparse
import datetime
import logging
from collections.abc import Sequence

import torch
from safetensors.torch import save

from heartbeats.common.console import path_argument
from heartbeats.common.errors import one_line_errors
from heartbeats.common.files import csv_text, replace_file, write_text
from heartbeats.ecg.header import find_headers
from heartbeats.pvc_unet.data import DS1, DS2, Record, read_all, read_challenge, read_mitdb
from heartbeats.pvc_unet.evaluation import COLUMNS, count_record, report
from heartbeats.pvc_unet.training import train_by_folds
from heartbeats.pvc_unet.unet import WEIGHTS_FILE

DATA = "MIT-BIH Arrhythmia Database 1.0.0 (Moody and Mark 2001), lead MLII, annotations V; ODC-By 1.0"
CHALLENGE_DATA = "; PhysioNet/Computing in Cardiology Challenges 2020 and 2021; CC BY 4.0"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure and write."""
    parser = argparse.ArgumentParser(prog="python -m heartbeats.pvc_unet", description=__doc__)
    parser.add_argument("mitdb", type=path_argument, metavar="MITDB")
    parser.add_argument("out", type=path_argument, metavar="OUT")
    parser.add_argument("--challenge", type=path_argument, metavar="DATA", help="recordings to learn from and to mark")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)  # more threads add numbers in another order, which changes the weights
    with one_line_errors("pvc_unet"):
        options.out.mkdir(parents=True, exist_ok=True)
        ds1, ds2 = (
            read_all(options.mitdb, [options.mitdb / f"{name}.hea" for name in names], read_mitdb)
            for names in (DS1, DS2)
        )
        challenge = []
        if options.challenge:
            challenge = read_all(options.challenge, find_headers(options.challenge), read_challenge)
        kept, for_ds1, for_challenge = train_by_folds(ds1, challenge)

        metadata = _metadata(ds1, challenge)
        weights = save(kept.state_dict(), metadata)
        replace_file(options.out / WEIGHTS_FILE.name, lambda temporary: temporary.write_bytes(weights))

        marked = [("DS1", *pair) for pair in zip(ds1, for_ds1, strict=True)]
        marked += [("DS2", record, kept) for record in ds2]
        marked += [("Challenge", *pair) for pair in zip(challenge, for_challenge, strict=True)]
        counts = [count_record(*each) for each in marked]
        made = "{date}, `{command}`, {split}".format(**metadata)
        text = report(f"{made}, torch {torch.__version__}. Threshold {kept.threshold.item():g}.", counts)
        print(text, end="")
        write_text(options.out / "pvc_unet.md", text)
        write_text(options.out / "pvc_unet.csv", csv_text(COLUMNS, counts))


def _metadata(ds1: Sequence[Record], challenge: Sequence[Record]) -> dict[str, str]:
    """Return the metadata of the weights: where they come from."""
    data, split = DATA, f"trained on {' '.join(sorted(record.name for record in ds1))}"
    command = "python -m heartbeats.pvc_unet MITDB OUT"
    if teaching := sum(record.teaches for record in challenge):
        data += CHALLENGE_DATA
        split += f" and {teaching} Challenge recordings without premature ventricular beats"
        command += " --challenge DATA"
    return {"data": data, "split": split, "command": command, "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"}


if __name__ == "__main__":
    main()
