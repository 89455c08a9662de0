# SPDX-License-Identifier: Apache-2.0
"""Chromium, driven by chromedriver, without a screen. *.test is this machine."""
import tempfile
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.ui import WebDriverWait

ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
             "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-breakpad", "--hide-scrollbars", "--host-resolver-rules=MAP *.test 127.0.0.1"]


@contextmanager
def chromium(width=1280, height=1000, has_scripts=True):
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for argument in ARGUMENTS + [f"--window-size={width},{height}"]:
        options.add_argument(argument)
    if not has_scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(prefix="mc-browser-") as profile:
        options.add_argument(f"--user-data-dir={profile}")
        driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        try:
            yield driver
        finally:
            driver.quit()


def resize(driver, width, height=1000):
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})


def scheme(driver, name):
    """light or dark"""
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                           {"features": [{"name": "prefers-color-scheme", "value": name}]})


def wait(driver, condition, what, seconds=20):
    return WebDriverWait(driver, seconds, 0.05).until(lambda _: condition(), what)


def follow(driver, element):
    """Clicks what leads to another page, and waits until that is here: a click may return while the old one still is."""
    page = driver.find_element("tag name", "html")
    element.click()
    WebDriverWait(driver, 20, 0.05).until(staleness_of(page), "another page")
    wait(driver, lambda: driver.execute_script("return document.readyState") == "complete", "the whole page")
