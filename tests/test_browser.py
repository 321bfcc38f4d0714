"""Every kind of page in headless Chromium: wide and narrow, light and dark, and in print.

`make test-browser` installs what this needs (Debian's chromium and chromium-driver, npm's axe-core) and runs it;
without them the tests are skipped. Look at the screenshots and PDFs in build/screenshots.
"""

import base64
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TWELVE, ecg
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from heartbeats.challenge.scoring import read_submission
from heartbeats.classification.folder import classify_folder
from heartbeats.common.files import write_text
from heartbeats.ecg.recording import Recording
from heartbeats.ecg.writing import write_record
from heartbeats.reports.score_report import score_report
from heartbeats.reports.training_report import training_report
from heartbeats.show import main as show_records
from team_code import load_model

ROOT = Path(__file__).parents[1]
AXE = Path(os.environ.get("AXE", ROOT / "build/axe/node_modules/axe-core/axe.min.js"))
MISSING = [name for name in ("chromium", "chromedriver") if not shutil.which(name)] + ["axe-core"] * (not AXE.exists())
SCREENSHOTS = ROOT / "build/screenshots"
WIDTHS = (1440, 390)
A4 = 680  # pixels of 210 mm less the margins of 15 mm

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} not installed: see `make test-browser`")


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(simulated: Path, model_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return every kind of page, of good and of poor recordings."""
    folder = tmp_path_factory.mktemp("pages")
    outputs = folder / "outputs"
    classify_folder(load_model(model_directory), simulated, outputs)
    report = score_report(read_submission(simulated, outputs), simulated, outputs)
    write_text(folder / "score-report.html", report)
    write_text(folder / "training-report.html", training_report(model_directory))

    records = folder / "records"
    shutil.copytree(simulated, records)
    for name, signal, leads in (
        ("E90001", ecg(seconds=1), TWELVE),
        ("E90002", np.zeros((12, 5000)), TWELVE),
        ("E90003", ecg(leads=2), ("I", "II")),
    ):
        write_record(records, Recording(name, signal / 1000, 500, leads, diagnoses=("426783006",)))
    (records / "E90004.hea").write_text("E90004 12 500 5000\n")
    show_records([str(records), "--model", str(model_directory), "-o", str(folder / "show")])
    show_records([str(records / "E90001"), "--no-model", "-o", str(folder / "without-model.html")])
    return {path.stem: path for path in folder.rglob("*.html")}


PAGES = ("training-report", "score-report", "index", "E00001", "E90001", "E90002", "E90003", "without-model")


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, pages: dict[str, Path]) -> tuple[str, Path]:
    """A page's name and its file."""
    return request.param, pages[request.param]


def show(browser: webdriver.Chrome, page: Path, width: int, scheme: str = "light", media: str = "screen") -> None:
    """Open a page at a width, as a reader who prefers a scheme, on a screen or on paper."""
    for log in ("browser", "performance"):
        browser.get_log(log)  # what was before is not this page's
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [feature]})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())


def overflow(browser: webdriver.Chrome) -> int:
    """Return by how many pixels the page is wider than its window."""
    return int(browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_fits_the_window_and_fetches_nothing(browser, page, width, scheme):
    name, path = page
    show(browser, path, width, scheme)
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    (SCREENSHOTS / f"{name}-{width}-{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
    assert overflow(browser) <= 0
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    assert {url.partition("#")[0] for url in requests if not url.startswith("data:")} == {path.as_uri()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_barriers(browser, page, width, scheme):
    show(browser, page[1], width, scheme)
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    found: Any = browser.execute_async_script("axe.run().then(arguments[0])")
    assert [(v["id"], [node["html"][:200] for node in v["nodes"]][:3]) for v in found["violations"]] == []


def test_a_page_can_be_printed(browser, page):
    name, path = page
    show(browser, path, A4, media="print")
    assert overflow(browser) <= 0
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
    content = base64.b64decode(printed["data"])
    (SCREENSHOTS / f"{name}.pdf").write_bytes(content)
    assert content.startswith(b"%PDF")
