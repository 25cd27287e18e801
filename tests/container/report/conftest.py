"""A real browser: Debian's chromium, without a screen."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

from tests.requirement import missing

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Its own shared memory is too small in many containers.
    "--disable-dev-shm-usage",
)
ALL_DRAWN = """
return document.readyState === "complete"
  && [...document.querySelectorAll(".plot")].every(plot => plot.querySelector(".main-svg"));
"""


@dataclass(frozen=True)
class Browser:
    """Opens pages, and reports what they did."""

    driver: Chrome

    def open(self, path: Path, width: int, *, touch: bool = False) -> None:
        """Open a file in a window of that width, and wait until its plots are there."""
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": touch}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": touch})
        # What is logged until an empty page is there belongs to other pages.
        self.driver.get("about:blank")
        for name in ("browser", "performance"):
            self._log(name)
        self.driver.get(path.as_uri())
        WebDriverWait(self.driver, 60).until(lambda driver: driver.execute_script(ALL_DRAWN))

    def run(self, script: str) -> Any:
        """Run JavaScript and give what it returns."""
        return self.driver.execute_script(script)

    def console(self) -> list[str]:
        """Return what the page wrote to the console: errors, and violations of its policy."""
        return self._log("browser")

    def requested(self) -> list[str]:
        """Return every address that was requested."""
        events = [json.loads(message)["message"] for message in self._log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def _log(self, name: str) -> list[str]:
        """Return the messages since the last call."""
        return [entry["message"] for entry in self.driver.get_log(name)]  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start it; without one, tests are skipped, in CI they fail."""
    binary, service = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or service is None:
        missing("chromium and chromium-driver are not installed")
    options = ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(service))
    yield Browser(driver)
    driver.quit()
