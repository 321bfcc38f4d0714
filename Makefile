# make demo     simulate recordings, train, classify, score
# make test     the tests; ECG_DATA=FOLDER adds those on real recordings
# make check    style (ruff) and types (mypy)
# make format   rewrite the code in the one style

PYTHON ?= python3.11
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check format clean

demo: .venv/installed
	rm -rf demo
	.venv/bin/python -m heartbeats.simulation demo/training --records 150 --seed 1
	.venv/bin/python -m heartbeats.simulation demo/unseen --records 100 --seed 2
	.venv/bin/python train_model.py demo/training demo/model --config configs/quick.toml
	.venv/bin/python driver.py demo/model demo/unseen demo/outputs
	.venv/bin/python evaluate_model.py demo/unseen demo/outputs demo/scores.csv demo/class_scores.csv
	@echo "Scores on 100 simulated recordings that training did not see (always sinus rhythm: challenge metric 0):"
	@cat demo/scores.csv && echo
	@echo "Per class: demo/class_scores.csv; outputs: demo/outputs; the model and its log: demo/model"

test: .venv/installed-dev
	.venv/bin/python -m pytest

check: .venv/installed-dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy *.py heartbeats benchmarks

format: .venv/installed-dev
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

clean:
	rm -rf .venv demo

.venv/installed: requirements.txt constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) -r requirements.txt
	touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(PIP) -r requirements-dev.txt
	touch $@
