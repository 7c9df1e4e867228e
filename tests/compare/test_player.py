"""The player of the pages, driven in a headless Chromium: what is pressed is heard, seen and said."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import sigsep_classic as ssc
from sigsep_classic.compare import comparison_page, demo
from sigsep_classic.compare.merging import merge
from sigsep_classic.compare.report import template
from sigsep_classic.compare.separation_page import render
from tests.browser import browser
from tests.compare.test_merging import LEVELS, make

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")
pytestmark = pytest.mark.slow

RATE, SECONDS = 16000, 4.0


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    t = np.arange(int(SECONDS * RATE)) / RATE
    stems = {name: 0.2 * np.sin(2 * np.pi * hz * t)[None] for name, hz in (("low", 220), ("high", 1760))}
    mixture = stems["low"] + stems["high"]
    sep = ssc.Separation(stems=stems, mixture=mixture, sample_rate=RATE, method=ssc.HPSS(), track="tones")
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(sep), encoding="utf-8")
    return path


@pytest.fixture
def page(chromium, path):
    """The page, loaded anew; in the end nothing was complained of and nothing asked for outside of it."""
    chromium.requests.clear()
    chromium.look(width=1280, height=900, scheme="light")
    chromium.open(path)
    yield chromium
    assert chromium.complaints == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in chromium.requests)


def gains(page):
    found = page.ask("player.state.gains")
    return [round(found[name], 2) for name in ("low", "high", "mixture")]


def until_gains(page, *wanted):
    page.until(
        "(() => { const g = player.state.gains; return [g.low, g.high, g.mixture].every("
        f"(value, n) => Math.abs(value - {list(wanted)}[n]) < 0.01); }})()"
    )


def cursors(page):
    return page.ask("[...document.querySelectorAll('.picture i')].map(i => i.getBoundingClientRect().x)")


def pressed(page, selector):
    return page.ask(f"document.querySelector({selector!r}).getAttribute('aria-pressed')")


def test_play_moves_the_time_and_one_cursor_over_all_spectrograms(page):
    before = cursors(page)
    assert page.ask("document.querySelector('.play').ariaLabel") == "Play"
    page.click(".play")
    page.until("player.state.playing && player.state.at > 0.3")
    after = cursors(page)
    assert len(after) == 3
    assert all(x > old for x, old in zip(after, before, strict=True))
    assert max(after) - min(after) < 1
    assert page.ask("document.querySelector('.play').ariaLabel") == "Pause"
    assert not page.ask("document.querySelector('.time').textContent").startswith("0:00.0")
    assert "seconds of 4.0 seconds" in page.ask("document.querySelector('.seek').ariaValueText")
    assert gains(page) == [1, 1, 0]
    page.click(".play")
    stopped = page.ask("player.state.at")
    assert page.ask("new Promise(done => setTimeout(() => done(player.state.at), 100))") == stopped
    assert "Paused at" in page.ask("document.querySelector('[role=status]').textContent")


def test_decoded_stems_are_in_time_and_the_end_leads_back_to_the_beginning(page):
    page.ask("player.seek(3.7)")
    page.click(".play")
    page.until("player.state.playing")
    rate = page.ask("player.output.context.sampleRate")
    for stem, hz in (("low", 220), ("high", 1760)):
        sound = f"player.deck.stems.find(stem => stem.name === {stem!r}).sound"
        heard = page.ask(f"Array.from(player.output.buffers.get({sound}).getChannelData(0).slice(0, {rate}))")
        wave = np.exp(-2j * np.pi * hz * np.arange(len(heard)) / rate)
        lag = np.angle(1j * np.dot(heard, wave)) / (2 * np.pi * hz)
        assert_allclose(lag, 0, atol=1e-4)  # seconds after what was written, of all decoders and resamplers
    page.until("!player.state.playing")
    assert page.ask("player.state.at") == 0


def test_a_click_into_a_spectrogram_goes_there(page):
    page.click(".track[data-name=high] .picture", across=0.75)
    assert page.ask("player.state.at") == pytest.approx(3.0, abs=0.02)
    assert not page.ask("player.state.playing")
    page.click(".play")
    page.until("player.state.at > 3.1")
    page.click(".track[data-name=low] .picture", across=0.25)
    page.until("player.state.playing && player.state.at < 2 && player.state.at > 1.05")


def test_solo_mute_level_and_mixture_change_what_is_heard(page):
    page.click(".listen")
    page.until("player.state.playing")
    page.click(".track[data-name=high] .solo")
    until_gains(page, 0, 1, 0)
    assert pressed(page, ".track[data-name=high] .solo") == "true"
    page.click(".track[data-name=high] .solo")
    page.click(".track[data-name=high] .mute")
    until_gains(page, 1, 0, 0)
    page.click(".ab .a")
    until_gains(page, 0, 0, 1)
    assert pressed(page, ".ab .a") == "true"
    assert page.ask("document.querySelector('[role=status]').textContent") == "Now the mixture"
    page.click(".ab .b")
    until_gains(page, 1, 0, 0)
    page.click(".all")
    until_gains(page, 1, 1, 0)
    page.ask(
        "(() => { const s = document.querySelector('.track[data-name=low] .level'); s.value = -6;"
        "s.dispatchEvent(new Event('input')); })()"
    )
    until_gains(page, 10 ** (-6 / 20), 1, 0)
    assert page.ask("document.querySelector('.track[data-name=low] output').textContent") == "−6 dB"


def test_keys_do_it_all(page):
    page.key(" ")
    page.until("player.state.playing")
    page.key("2")
    until_gains(page, 0, 1, 0)
    page.key("b")
    until_gains(page, 0, 0, 1)
    page.key("0")
    until_gains(page, 1, 1, 0)
    page.key(" ")
    page.until("!player.state.playing")
    page.key("Home")
    page.key("ArrowRight")
    page.key("ArrowRight")
    page.key("ArrowLeft")
    assert page.ask("player.state.at") == 1
    page.key("Tab")
    assert page.ask("document.activeElement.className") == "theme"
    assert page.ask("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2


def test_a_press_on_a_heading_sorts(page):
    def order():
        return page.ask("[...document.querySelectorAll('tbody th')].map(th => th.textContent)")

    assert order() == ["mixture", "low", "high"]
    page.click("th button")
    assert order() == ["high", "low", "mixture"]
    assert page.ask("document.querySelector('th').ariaSort") == "ascending"
    page.click("th button")
    assert order() == ["mixture", "low", "high"]


def test_colours_follow_the_system_and_the_switch(page, path):
    def light():
        colour = page.ask("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour.strip("rgb()").split(",")) > 3 * 128

    assert light()
    page.click(".theme")
    assert not light()
    assert pressed(page, ".theme") == "true"
    page.click(".theme")
    assert light()
    page.look(width=1280, height=900, scheme="dark")
    page.open(path)
    assert not light()
    assert len(page.screenshot()) > 10_000


def test_a_phone_scrolls_down_only(page):
    page.look(width=390, height=844, scheme="light")
    assert page.ask("document.documentElement.scrollWidth") == 390
    assert page.ask(
        "[...document.querySelectorAll('.transport button, .mixer button')]"
        ".every(b => b.getBoundingClientRect().height >= 24 && b.getBoundingClientRect().right <= 390)"
    )


def test_without_an_audio_context_audio_elements_play(page, path):
    page.ask("delete window.AudioContext, delete window.webkitAudioContext, 0")
    page.click(".play")
    page.until("player.state.playing && player.state.at > 0.3")
    assert page.ask("player.output.constructor.name") == "Elements"
    page.key("1")
    page.until("player.state.gains.low === 1 && player.state.gains.high === 0")
    page.click(".play")
    assert page.ask("[...document.querySelectorAll('audio')].every(sound => sound.paused)")


def test_the_player_is_one_text_for_all_pages():
    for name in ("report.html.j2", "separation.html.j2"):
        source, *_ = template(name).environment.loader.get_source(template(name).environment, name)
        assert source.count('include "page_player.js.j2"') == 1


def test_the_page_of_the_demonstration_changes_the_method_in_the_middle_of_a_note(page, tmp_path):
    demo.run(tmp_path, seconds=2.5, methods=["hpss", "repet"])
    page.open(tmp_path / "index.html")
    page.click(".listen")
    page.until("player.state.playing && player.state.at > 0.2")
    assert page.ask("player.state.deck") == "true stems"
    before = page.ask("player.state.at")
    page.click("#drums_vs_rest-hpss .listen")
    page.until("player.state.deck === 'hpss' && player.state.gains.drums === 1")
    assert page.ask("player.state.at") >= before
    page.click("#voice_vs_accompaniment-repet .solo")
    page.until("player.state.deck === 'repet' && player.state.gains.mixture === 0")
    assert page.ask("document.querySelectorAll('.chosen').length") == 1
    page.until("player.output.buffers.size === 3")  # decoded one by one; of other methods nothing is kept
    assert sorted(page.ask("Object.values(player.state.gains)")) == [0, 0, 1]
    page.click("#voice_vs_accompaniment thead tr:last-child th:last-child button")
    assert page.ask("document.querySelector('#voice_vs_accompaniment th[aria-sort]').ariaSort") == "ascending"
    page.look(width=390, height=844, scheme="dark")
    assert page.ask("document.documentElement.scrollWidth") == 390


def test_a_page_without_sounds_sorts_and_changes_colours(page, tmp_path):
    rng = np.random.default_rng(0)
    found = merge([make(f"t{n}", m, level, rng) for n in range(9) for m, level in LEVELS.items()])
    path = tmp_path / "index.html"
    path.write_text(comparison_page.render(found), encoding="utf-8")
    page.open(path)
    page.click("thead tr:last-child th:nth-child(2) button")
    assert page.ask("document.querySelector('th[aria-sort]').ariaSort") == "descending"
    page.click(".theme")
    assert page.ask("document.documentElement.dataset.theme") == "dark"
    page.look(width=390, height=844, scheme="light")
    assert page.ask("document.documentElement.scrollWidth") == 390


def test_assistive_technology_is_told_names_roles_and_states(page):
    nodes = page.send("Accessibility.getFullAXTree")["nodes"]
    seen = [
        (
            node["role"]["value"],
            node.get("name", {}).get("value", ""),
            {p["name"]: p["value"].get("value") for p in node.get("properties", [])},
        )
        for node in nodes
        if not node["ignored"]
    ]
    controls = [each for each in seen if each[0] in ("button", "slider", "image", "DisclosureTriangle")]
    assert all(name for _, name, _ in controls)
    toggles = [name for role, name, states in seen if "pressed" in states]
    assert {"Solo low", "Mute high", "A mixture", "B stems", "Dark colours"} <= set(toggles)
    sliders = {name for role, name, _ in seen if role == "slider"}
    assert sliders == {"Position", "Level of low", "Level of high"}
    roles = {role for role, *_ in seen}
    assert {"timer", "status", "region", "main", "heading", "columnheader", "rowheader"} <= roles
