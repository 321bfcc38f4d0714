# make demo     classify simulated recordings; then train a small entry, classify with it, and score it
# make test     run the tests; ECG_DATA=FOLDER adds the tests on real recordings
# make test-docs      run the commands of README and docs
# make test-browser   pages in headless Chromium; installs Debian's chromium and npm's axe-core where they are missing
# make check    style (ruff) and types (mypy)
# make format   format the code (ruff)
# make campaigns  10,000 mutations of records, 20 trainings killed at random; ECG_DATA=FOLDER adds real records
# make container-test   build the image, and train, classify and score in it (Docker, Podman or CONTAINER_TOOL)
# make constraints      write constraints.txt again after a change of the requirements

PYTHON ?= $(firstword $(foreach version, 3.11 3.12 3.13, $(shell command -v python$(version))) python3)
ALL_CORES = --numprocesses auto --maxprocesses 8 --dist worksteal
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-docs test-browser check format clean campaigns container-test constraints

demo: .venv/installed
	rm -rf demo
	.venv/bin/python -m heartbeats.simulation demo/unseen --records 100 --seed 2
	.venv/bin/python driver.py pretrained demo/unseen demo/answers
	.venv/bin/python -m heartbeats.show demo/unseen/E00001 -o demo/first.html
	@echo "The model that comes with the code has answered. Open demo/first.html. Next, a small entry trains."
	.venv/bin/python -m heartbeats.simulation demo/training --records 150 --seed 1
	.venv/bin/python train_model.py demo/training demo/model --config configs/quick.toml
	.venv/bin/python driver.py demo/model demo/unseen demo/outputs
	.venv/bin/python evaluate_model.py demo/unseen demo/outputs demo/scores.csv demo/class_scores.csv \
		--report demo/scores.html
	.venv/bin/python -m heartbeats.show demo/unseen/E00001 --model demo/model -o demo/E00001.html
	@echo "Scores on 100 simulated recordings that training did not see (always sinus rhythm: challenge metric 0):"
	@cat demo/scores.csv && echo
	@echo "Per class: demo/class_scores.csv; outputs: demo/outputs; the model and its log: demo/model"
	@echo "Pages to open in a browser: an ECG and the answer of the model that comes with the code demo/first.html,"
	@echo "the training demo/model/report.html, the scores demo/scores.html, the same ECG with that model demo/E00001.html"

test: .venv/installed-dev
	.venv/bin/python -m pytest $(ALL_CORES) --ignore tests/test_doc_commands.py

test-docs: .venv/installed-dev
	.venv/bin/python -m pytest $(ALL_CORES) tests/test_doc_commands.py

test-browser: .venv/installed-dev build/axe/node_modules/axe-core/axe.min.js
	command -v chromium chromedriver || (apt-get update && \
		apt-get install --yes --no-install-recommends chromium chromium-driver fonts-dejavu-core)
	.venv/bin/python -m pytest $(ALL_CORES) tests/test_browser.py

build/axe/node_modules/axe-core/axe.min.js:
	npm install --silent --no-fund --no-audit --prefix build/axe axe-core@4.14.1

check: .venv/installed-dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy *.py heartbeats benchmarks

format: .venv/installed-dev
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

campaigns: .venv/installed
	.venv/bin/python -m benchmarks.mutations $(ECG_DATA:%=--data %)
	.venv/bin/python -m benchmarks.kills

container-test:
	tests/container_test.sh

# pip's default index has torch with CUDA, and CUDA's packages must be pinned too. So pip's own settings, which may name
# an index of CPU builds, are ignored. Nothing is installed. wfdb 4.3.1 does not import under pandas 4.
constraints:
	rm -rf .venv/constraints && $(PYTHON) -m venv .venv/constraints
	(grep -hv '^-' requirements.txt requirements-dev.txt; echo 'pandas<4') > .venv/constraints/direct.txt
	PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= PIP_EXTRA_INDEX_URL= .venv/constraints/bin/python -m pip install \
		--disable-pip-version-check --dry-run -r .venv/constraints/direct.txt > .venv/constraints/log
	grep -q 'Would install.* cuda-toolkit' .venv/constraints/log # otherwise torch came without CUDA
	(grep '^#' constraints.txt; sed -n 's/^Would install //p' .venv/constraints/log | tr ' ' '\n' \
		| sed 's/\(.*\)-/\1==/' | grep -vxFf .venv/constraints/direct.txt | LC_ALL=C sort -f) > .venv/constraints/new
	mv .venv/constraints/new constraints.txt

clean:
	rm -rf .venv demo build

.venv/installed: requirements.txt constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) -r requirements.txt
	touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(PIP) -r requirements-dev.txt
	touch $@
