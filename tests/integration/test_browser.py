# SPDX-License-Identifier: Apache-2.0
"""The status page in a real browser, on a real supervisor with real containers."""
import shutil
import time
import warnings

import axe
import pytest
from private_httpd import Board, Httpd, Workplace, wait_until

if not shutil.which("chromedriver"):
    pytest.skip("chromedriver is not installed: scripts/install-deps test", allow_module_level=True)
from browser import chromium, follow, resize, scheme, wait
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

AXE, WHY_NO_AXE = axe.fetch()
if not AXE:
    warnings.warn(f"accessibility is not checked: {WHY_NO_AXE}")

EVIL = """<!doctype html><title>evil</title>
<form id="f" method="post" action="http://status.test:%d/container-status/beta/web">
<input name="action" value="stop"></form><script>document.getElementById('f').submit()</script>"""


@pytest.fixture
def site(stack):
    """Two tenants that run and one that is stopped; the address of their page."""
    for name in ("alpha", "beta", "gamma"):
        stack.sleeper(name)
    stack.start()
    for name in ("alpha", "beta", "gamma"):
        stack.wait_state("running", f"{name}/web")
    stack.ctl("stop", "gamma/web")
    httpd = stack.serve()
    return f"http://status.test:{httpd.port}/container-status"


def all_of(driver, css):
    return driver.find_elements(By.CSS_SELECTOR, css)


def one(driver, css):
    return driver.find_element(By.CSS_SELECTOR, css)


def names(driver):
    return driver.execute_script("return [...document.querySelectorAll('#containers td.name')].map(e => e.textContent)")


def text_of(driver, css):
    return driver.execute_script("const e = document.querySelector(arguments[0]); return e ? e.textContent : null", css)


def complaints(driver):
    return [entry["message"] for entry in driver.get_log("browser")
            if entry["level"] == "SEVERE" and "favicon" not in entry["message"]]


def test_page_is_shown_under_its_own_policy(site):
    with chromium() as driver:
        driver.get(site)
        assert sorted(names(driver)) == ["alpha/web", "beta/web", "gamma/web"]
        assert one(driver, "#pause").text == "Pause", "the script ran"
        assert "mono" in one(driver, ".board").value_of_css_property("font-family").lower(), "the style holds"
        first = text_of(driver, "footer time")
        wait(driver, lambda: text_of(driver, "footer time") != first, "the page to refresh itself")
        assert not complaints(driver)
        # The policy works: what is not in the two files does not run.
        driver.execute_script("const s = document.createElement('script'); s.textContent = 'window.evil = 1';"
                              "document.body.append(s)")
        assert driver.execute_script("return window.evil") is None
        assert "Content Security Policy" in complaints(driver)[0]


def test_sorting_and_filtering_without_a_new_page(site):
    with chromium() as driver:
        driver.get(site)
        driver.execute_script("window.marker = 1")
        one(driver, "th.c-name a").click()
        wait(driver, lambda: "sort=id" in driver.current_url, "the address to change")
        wait(driver, lambda: one(driver, "th.c-name").get_attribute("aria-sort") == "ascending", "the table to follow")
        assert names(driver) == ["alpha/web", "beta/web", "gamma/web"]
        one(driver, "th.c-name a").click()
        wait(driver, lambda: names(driver) == ["gamma/web", "beta/web", "alpha/web"], "the other order")
        driver.back()
        wait(driver, lambda: names(driver) == ["alpha/web", "beta/web", "gamma/web"], "the way back")

        field = one(driver, "input[name=q]")
        field.send_keys("bet")
        wait(driver, lambda: names(driver) == ["beta/web"], "the filter")
        assert "q=bet" in driver.current_url
        driver.execute_script("arguments[0].setSelectionRange(1, 2)", field)
        first = text_of(driver, "footer time")
        wait(driver, lambda: text_of(driver, "footer time") != first, "a refresh")
        assert driver.switch_to.active_element == field, "the focus stays"
        assert driver.execute_script("return [arguments[0].selectionStart, arguments[0].selectionEnd]", field) == [1, 2]
        field.send_keys(Keys.CONTROL + "a", Keys.DELETE)
        wait(driver, lambda: len(names(driver)) == 3, "the filter to go")
        next(a for a in all_of(driver, ".counts a") if "stopped" in a.text).click()
        wait(driver, lambda: names(driver) == ["gamma/web"], "the filter by state")
        wait(driver, lambda: one(driver, "select[name=state]").get_attribute("value") == "D", "the form to follow")
        assert driver.execute_script("return window.marker") == 1, "it was one page all the time"
        assert not complaints(driver)


def test_pause_and_going_on(stack, site):
    with chromium() as driver:
        driver.get(site)
        one(driver, "#pause").click()
        assert one(driver, "#pause").get_attribute("aria-pressed") == "true"
        shown = text_of(driver, "footer time")
        stack.ctl("stop", "alpha/web")
        wait_until(lambda: stack.httpd.get("/container-status?format=json").json["counts"]["stopped"] == 2,
                   "the board to tell it")
        time.sleep(3)
        assert text_of(driver, "footer time") == shown, "a paused page stays"
        one(driver, "#pause").click()
        wait(driver, lambda: next(a for a in all_of(driver, ".counts a") if "stopped" in a.text).text.startswith("2"),
             "the page to go on")


def test_opened_parts_and_scroll_stay(site):
    with chromium(height=500) as driver:
        driver.get(site + "/alpha/web")
        driver.execute_script("document.querySelector('.actions details').open = true; scrollTo(0, 300);"
                              "window.kept = document.querySelector('.actions details')")
        first = text_of(driver, "footer time")
        wait(driver, lambda: text_of(driver, "footer time") != first, "a refresh")
        assert driver.execute_script("return window.kept.isConnected && window.kept.open && scrollY") == 300


def test_an_action_does_it_and_tells(stack, site):
    with chromium() as driver:
        driver.get(site)
        next(a for a in all_of(driver, "#containers td.name a") if a.text == "alpha/web").click()
        wait(driver, lambda: driver.current_url.endswith("/alpha/web"), "the page of the service")
        assert "sleep" in text_of(driver, "[data-key=processes]")
        pid = stack.ps()["alpha/web"]["pid"]
        one(driver, "form:has(input[value=restart]) button").click()
        wait(driver, lambda: "alpha/web: restart is done." in (text_of(driver, "#flash") or ""), "the result")
        assert stack.ps()["alpha/web"]["pid"] != pid
        assert "flash" not in driver.current_url, "a reload does not tell it again"
        shown = text_of(driver, "footer time")
        wait(driver, lambda: text_of(driver, "footer time") != shown, "a refresh")
        assert text_of(driver, "#flash"), "the result stays until the page is left"

        button = one(driver, "form:has(input[value=kill]) button")
        assert not driver.execute_script("return arguments[0].checkVisibility()", button), "it is asked for first"
        one(driver, "details:has(input[value=kill]) summary").click()
        assert "save nothing" in one(driver, "details:has(input[value=kill]) p").text
        one(driver, "form:has(input[value=kill]) button").click()
        wait(driver, lambda: "alpha/web: kill is done." in (text_of(driver, "#flash") or ""), "the result")
        assert stack.state("alpha/web") == "stopped"
        wait(driver, lambda: "stopped" in (text_of(driver, ".who") or ""), "the page to show it")
        assert not complaints(driver)


def test_everything_works_without_scripts(stack, site):
    with chromium(has_scripts=False) as driver:
        driver.get(site)
        assert not all_of(driver, "#controls *")
        follow(driver, one(driver, "th.c-name a"))
        assert driver.current_url.endswith("?sort=id")
        one(driver, "input[name=q]").send_keys("bet")
        follow(driver, one(driver, "#filter button"))
        assert [e.text for e in all_of(driver, "#containers td.name")] == ["beta/web"]
        assert "sort=id" in driver.current_url
        follow(driver, one(driver, "#containers td.name a"))
        one(driver, "details:has(input[value=stop]) summary").click()
        follow(driver, one(driver, "form:has(input[value=stop]) button"))
        assert "beta/web: stop is done." in one(driver, "#flash").text
        assert stack.state("beta/web") == "stopped"
        follow(driver, one(driver, "form:has(input[value=start]) button"))
        assert stack.state("beta/web") == "running"
        follow(driver, one(driver, ".ranges a:last-child"))
        assert driver.current_url.endswith("range=30d")


def test_columns_are_a_choice_that_stays(site):
    with chromium() as driver:
        driver.get(site)
        assert one(driver, "th.c-tasks").is_displayed() and not one(driver, "th.c-swap").is_displayed()
        one(driver, ".columns summary").click()
        one(driver, ".columns input[name=tasks]").click()
        one(driver, ".columns input[name=swap]").click()
        for _ in range(2):
            assert not one(driver, "th.c-tasks").is_displayed() and one(driver, "th.c-swap").is_displayed()
            driver.refresh()
        resize(driver, 400)
        assert not one(driver, "td.c-tasks").is_displayed()
        assert not complaints(driver)


def test_a_stopped_httpd_is_told(stack, site):
    with chromium() as driver:
        driver.get(site)
        port = stack.httpd.port
        stack.httpd.stop()
        wait(driver, lambda: "not refreshed" in text_of(driver, "#controls"), f"the page to tell that {port} is gone")
        assert len(names(driver)) == 3, "what was known stays"


# ---- a rich page, written by the test ----

@pytest.fixture
def gallery():
    """A board with containers in each state, with figures, histories and faults."""
    place = Workplace()
    board = Board(place, 18)
    now = int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6)
    states = ["running", "failed", "backoff", "limited", "unhealthy", "paused", "sleeping", "starting", "stopped"]
    board.tell(host={"load": [132, 98, 71], "cpu_percent_milli": 38000, "memory_available_bytes": 3 << 30,
                     "swap_total_bytes": 2 << 30, "swap_free_bytes": 1 << 30, "psi": [420, 7200, 9350],
                     "starts": 412, "failures": 3, "wakes": 377})
    for index in range(18):
        board.slot(index, tenant=f"tenant{index % 5}", service=f"service{index}", id=f"tenant-service{index}-1",
                   state=states[index % len(states)], pid=100 + index, image="php:8",
                   started_boottime_usec=max(1, now - index * 10**9), sampled_boottime_usec=now,
                   detail_boottime_usec=now, state_since_boottime_usec=max(1, now - 10**7),
                   cpu_percent_milli=index * 4000, cpu_limit_milli=1500, memory_bytes=index * 3 << 20,
                   memory_limit_bytes=128 << 20, tasks=index, tasks_limit=50, io_read_rate=index * 9999,
                   io_write_rate=0, io_read_bytes=1 << 30, io_write_bytes=1, net_receive_rate=5, net_transmit_rate=6,
                   net_receive_bytes=7, net_transmit_bytes=8, requests=9, requests_rate_milli=1500,
                   requests_in_flight=index % 3, latency_p50_usec=900, latency_p95_usec=90000,
                   latency_p99_usec=2100000, faults=index % 4, last_fault=index % 4,
                   last_fault_realtime_usec=int(time.time() * 1e6), message="a reason" if index % 9 in (1, 2, 4) else "",
                   exit_code=1, exit_realtime_usec=int(time.time() * 1e6))
        for ring in (0, 1):
            board.tell(history=index, ring=ring, step_msec=60000 if ring else 1000,
                       points=[[(index * i * 37) % 15000, index * 3 << 10, i * 1000, i * 100] for i in range(60)])
    httpd = Httpd(place, """
<Location /container-status>
    SetHandler container-status
    ContainerStatus On
    ContainerAdmin On
    ContainerStatusLogs On
</Location>
""").start()
    yield f"http://status.test:{httpd.port}/container-status"
    httpd.stop()
    board.stop()
    place.remove()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["", "/tenant1", "/tenant1/service1", "/tenant0/service0?why"])
@pytest.mark.skipif(not AXE, reason=WHY_NO_AXE or "-")
def test_axe_finds_nothing_serious(gallery, path):
    with chromium() as driver:
        driver.get(gallery + path)
        one(driver, "#pause").click()
        found = []
        for width in (1280, 400, 2500):
            for colours in ("light", "dark"):
                resize(driver, width)
                scheme(driver, colours)
                found += [f"{width} {colours}: {problem}" for problem in axe.serious(driver, AXE)]
        assert not found, "\n".join(found)


@pytest.mark.parametrize("path", ["", "/tenant1/service1"])
def test_it_fits_narrow_and_wide_windows(gallery, path):
    with chromium() as driver:
        driver.get(gallery + path)
        for width in (400, 700, 1280, 1920, 2500):
            resize(driver, width)
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width, width
        resize(driver, 400)
        if not path:
            first = one(driver, "#containers tbody tr")
            inside = driver.execute_script("const r = arguments[0].getBoundingClientRect(); return [r.left, r.right]", first)
            assert inside[0] >= 0 and inside[1] <= 400, "a card is in view as a whole"
            assert one(driver, "#containers td.c-memory").is_displayed()
        else:
            assert one(driver, ".chart svg").size["width"] > 280


def test_colours_follow_the_reader(gallery):
    with chromium() as driver:
        driver.get(gallery)
        shades = {}
        for colours in ("light", "dark"):
            scheme(driver, colours)
            shades[colours] = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert shades["light"] != shades["dark"]


# ---- other sites ----

def test_cross_site_form_changes_nothing(stack):
    stack.php("alpha")
    stack.sleeper("beta")
    stack.start()
    httpd = stack.serve("alpha")
    (stack.tenant_directory("alpha") / "site" / "index.php").write_text(EVIL % httpd.port)
    pid = stack.ps()["beta/web"]["pid"]
    with chromium() as driver:
        driver.get(f"http://alpha.test:{httpd.port}/")
        wait_until(lambda: "POST" in httpd.log() or "cross-site" in httpd.log(), "the browser's request to be refused")
    assert stack.ps()["beta/web"]["pid"] == pid and stack.state("beta/web") == "running"


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_limits_fit_a_telephone(site, mode):
    """What limits a service, under its own policy, and for everybody."""
    with chromium() as driver:
        resize(driver, 400)
        scheme(driver, mode)
        for name, words in (("alpha", "No limit is in the way"), ("gamma", "It was stopped by hand")):
            driver.get(f"{site}/{name}/web/limits")
            assert words in text_of(driver, "main")
            assert driver.execute_script("return document.documentElement.scrollWidth") == 400
            background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
            assert background == {"light": "rgb(246, 247, 248)", "dark": "rgb(21, 25, 29)"}[mode]
            assert not complaints(driver)
            assert not AXE or not axe.serious(driver, AXE)
