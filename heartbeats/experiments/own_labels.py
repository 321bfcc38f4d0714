"""Measure what a trained model's weights are worth for labels that it does not know.

    python -m heartbeats.experiments.own_labels PTBXL OUT [--model pretrained] [--seeds 3]

PTBXL has ptbxl_database.csv and scp_statements.csv. Few recordings of fold 9 train networks for myocardial infarction
and hypertrophy, once from the model's weights and once from random ones. The model's networks have not learnt from fold
9. Fold 10 gives the mean AUROC of both classes. The settings of the training were not tuned for either.
"""

import dataclasses
import logging
import sys
from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from heartbeats.challenge.scoring import mean_of_defined, ranking_areas
from heartbeats.classification.ensemble import Classifier
from heartbeats.classification.model_folder import load_model
from heartbeats.common.errors import one_line_errors
from heartbeats.experiments.command import options_parser, write_results
from heartbeats.experiments.ptbxl_benchmark import Statements, read_statements
from heartbeats.experiments.trainings import Answers, estimate
from heartbeats.networks.inference import InferenceNetwork
from heartbeats.training.loop import train_network

SUPERCLASSES = ("MI", "HYP")
SIZES = (50, 200, 1000)
TRAINING_FOLD, TEST_FOLD = 9, 10
BATCH, STEPS = 16, 600
MADE = """\
mean AUROC of myocardial infarction and hypertrophy on fold 10, mean over the seeds; in brackets 95 % intervals of a
bootstrap over seeds and patients. A seed draws the training recordings of fold 9."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, score, and write the table."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = options_parser("own_labels", __doc__, sets=False)
    parser.add_argument("--model", default="pretrained", help="the model whose weights are the first")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with one_line_errors("own_labels"):
        model = load_model(options.model)
        data = read_statements(options.data, options.out / "prepared", model.settings.preparation)
        labels = np.stack([data.labels[:, data.superclasses[name]].any(axis=1) for name in SUPERCLASSES], axis=1)
        rows, table = [["training recordings", "from the model's weights", "from random weights", "difference"]], []
        for size in SIZES:
            runs = [_answers(data, labels, model, size, seed) for seed in range(options.seeds)]
            ours, random = zip(*runs, strict=True)
            compared = ((ours, ()), (random, ()), (ours, random))
            cells = [str(estimate(*pair, score=_auroc)) for pair in compared]
            rows.append([str(size), *cells])
            table.append({"training recordings": size} | dict(zip(rows[0][1:], cells, strict=True)))
        title = f"fold {TEST_FOLD}: {(data.folds == TEST_FOLD).sum()}"
        write_results("own_labels", "Own labels", arguments, options.out, MADE, table, {title: rows})


def _answers(data: Statements, labels: npt.NDArray[np.bool_], model: Classifier, size: int, seed: int) -> list[Answers]:
    """Return the answers on the test fold, from the model's weights and from random ones."""
    pool = np.flatnonzero(data.folds == TRAINING_FOLD)
    chosen = np.sort(np.random.default_rng(seed).permutation(pool)[:size])
    member = model.members[0]
    training = dataclasses.replace(
        model.settings.training, batch_size=BATCH, epochs=round(STEPS * BATCH / size), seed=seed
    )
    settings = dataclasses.replace(model.settings, training=training)
    weights = {name: each for name, each in member.network.state_dict().items() if not name.startswith("head.")}
    tested = data.folds == TEST_FOLD
    recordings = list(compress(data.recordings, tested))
    names, patients = tuple(recording.name for recording in recordings), tuple(data.patients[tested].tolist())
    answers = []
    for start in (weights, None):
        with TemporaryDirectory() as folder:
            network = train_network(
                "own",
                [data.recordings[i] for i in chosen],
                labels[chosen],
                settings,
                seconds=member.seconds,
                directory=Path(folder),
                epochs=[],
                start=start,
            )
        inference = InferenceNetwork(network, seconds=member.seconds)
        scalar = inference.probabilities([recording.signal for recording in recordings])
        answers.append(Answers(names, patients, labels[tested], scalar > 0.5, scalar))
    return answers


def _auroc(answers: Answers, rows: npt.NDArray[np.intp] | slice = slice(None)) -> float:
    return mean_of_defined(ranking_areas(answers.labels[rows], answers.scalar[rows])[0])


if __name__ == "__main__":
    main()
