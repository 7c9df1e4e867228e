"""The lab in a headless Chromium: a recording goes in, parameters are moved, stems are heard, code comes out."""

import base64
import io
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

import sigsep_classic as ssc
from sigsep_classic import audio
from tests.browser import browser

pytest.importorskip("nicegui", reason='the lab is not installed: pip install "sigsep-classic[lab]"')
pytestmark = pytest.mark.slow

RATE = 8000
FRAME = "document.querySelector('iframe')"


@pytest.fixture(scope="module")
def address():
    """The lab's, served by a process of its own."""
    words = [sys.executable, "-m", "sigsep_classic", "lab", "--no-browser", "--port", "0", "-q"]
    words += ["--upload-limit", "1M"]
    around = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=around)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
        process.stdout.close()


@pytest.fixture(scope="module")
def page(address, tmp_path_factory):
    """The page; in the end nothing was complained of and nothing asked for from elsewhere."""
    with browser(tmp_path_factory.mktemp("profile")) as page:
        page.look(width=1280, height=900, scheme="light")
        page.open(address)
        page.until("!!document.querySelector('.empty')")
        yield page
        assert page.complaints == []
        here = address.partition("?")[0]
        assert all(url.startswith((here, "data:", "blob:")) for url in page.requests)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "tune.wav"
    mix = ssc.synthesize("song", seconds=0.6, sample_rate=RATE)
    audio.save(path, mix.mixture, RATE)
    return path


def upload(page, path):
    root = page.send("DOM.getDocument")["root"]["nodeId"]
    field = page.send("DOM.querySelector", nodeId=root, selector=".drop input[type=file]")["nodeId"]
    page.send("DOM.setFileInputFiles", nodeId=field, files=[str(path)])


def focused(page, selector):
    """Whether an element has the focus within a second."""
    end = time.monotonic() + 1
    while not page.ask(f"document.activeElement === document.querySelector({selector!r})"):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def fill(page, selector, text):
    for _ in range(10):  # what moves, as a menu closes, is missed
        page.click(selector)
        if focused(page, selector):
            break
    page.ask("document.activeElement.select()")
    page.send("Input.insertText", text=text)


def separate(page, **values):
    """Fill in fields, wait until the page has understood, and press the button."""
    for name, value in values.items():
        fill(page, f"[data-name={name}] input", value)
        page.until(f"document.querySelector('.python pre').textContent.includes('{name}={value}')")
    page.until("!document.querySelector('.go').disabled")
    page.click(".go")


def in_frame(page, selector):
    """Press the mouse on an element of the frame."""
    page.ask(f"{FRAME}.scrollIntoView({{block: 'center'}}), {FRAME}.dataset.at = ''")
    box = page.ask(
        f"(() => {{ const a = {FRAME}.getBoundingClientRect(), "
        f"b = {FRAME}.contentDocument.querySelector({selector!r}).getBoundingClientRect(); "
        "return [a.x + b.x + b.width / 2, a.y + b.y + b.height / 2]; })()"
    )
    where = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1}
    page.send("Input.dispatchMouseEvent", type="mousePressed", **where)
    page.send("Input.dispatchMouseEvent", type="mouseReleased", **where)


def shown(page, selector):
    return page.ask(f"document.querySelector({selector!r})?.innerText ?? ''")


def fetched(page, url):
    text = (
        f"fetch({url}).then(r => r.arrayBuffer()).then(b => btoa(String.fromCharCode(...new Uint8Array(b))))"
    )
    return base64.b64decode(page.ask(text))


def test_a_file_that_is_no_sound_is_told_in_one_line(page, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF but no more")
    upload(page, tmp_path / "broken.wav")
    page.until("document.querySelector('.error').innerText.startsWith('broken.wav: ')")
    page.until("document.querySelector('.go').disabled")
    (tmp_path / "large.wav").write_bytes(bytes(1_100_000))
    upload(page, tmp_path / "large.wav")
    page.until("document.querySelector('.error').innerText.includes('1 MB')")


def test_a_recording_is_separated_heard_and_seen_and_its_code_is_there(page, recording):
    upload(page, recording)
    page.until("document.querySelector('.facts').innerText === 'tune.wav, 0.6 s, 2 channels, 8000 Hz'")
    page.until(f"!!{FRAME}?.contentWindow.player")  # the mixture can be heard already
    fill(page, ".method input", "nmf:")
    page.until("document.querySelector('.methods .name')?.textContent === 'nmf'")
    page.click(".methods .q-item")
    page.until("!!document.querySelector('[data-name=n_components]')")

    fill(page, "[data-name=n_components] input", "-1")
    page.until(
        "document.querySelector('.wrong').innerText.includes('n_components is -1; it must be at least 0')"
    )
    page.click(".others .q-item")  # the other parameters
    page.until("document.querySelector('[data-name=tol] input')?.offsetHeight > 0")
    separate(page, n_components="900", n_iter="1000000", tol="1e-15")  # goes on for many seconds
    page.until("document.querySelector('.progress').innerText.includes('of 1000000')")
    page.until("document.querySelector('.curve polyline')?.getAttribute('points').split(' ').length > 2")
    assert "below the first" in shown(page, ".loss")
    page.click(".stop")
    page.until("document.querySelector('.error').innerText === 'cancelled; nothing was kept'")

    separate(page, n_components="2", n_iter="20", n_sources="2")
    page.until(f"{FRAME}?.title === 'Mixture and stems' && !!{FRAME}.contentWindow.player")
    state = f"{FRAME}.contentWindow.player.state"
    in_frame(page, ".play")
    page.until(f"{state}.playing && {state}.at > 0.1")
    assert page.ask(f"{state}.gains") == {"source1": 1, "source2": 1, "mixture": 0}

    page.click(".q-tab:nth-child(3)")
    page.until("document.querySelector('.python')?.offsetHeight > 0")
    namespace = {}
    text = shown(page, ".python pre").replace('"tune.wav"', repr(str(recording)))
    exec(compile(text.partition("sep.save")[0], "shown", "exec"), namespace)
    assert shown(page, ".shell pre").strip().startswith("sigsep-classic separate tune.wav -m nmf")
    for name, stem in namespace["sep"].items():
        file = io.BytesIO()
        audio.write_stream(file, stem, RATE, format="wav")
        link = f"document.querySelector('.files a[download=\"{name}.wav\"]').href"
        assert fetched(page, link) == file.getvalue()

    page.click(".q-tab:nth-child(2)")
    page.until(
        "document.querySelector('.picture')?.complete && document.querySelector('.picture').naturalWidth > 500"
    )


def test_tabs_do_not_mix_and_a_phone_scrolls_down_only(page):
    page.ask(
        "(() => { const other = document.createElement('iframe'); other.id = 'other'; other.src = '/';"
        "document.body.append(other); })()"
    )
    other = "document.querySelector('#other').contentDocument"
    page.until(f"{other}?.querySelector('.empty')?.innerText.startsWith('Drop a recording')")
    assert page.ask(f"{other}.querySelector('.facts.hidden') && {other}.querySelector('.go').disabled")
    assert page.ask(
        f"[...document.querySelectorAll('.files a')].length > {other}.querySelectorAll('.files a').length"
    )
    page.ask("document.querySelector('#other').remove()")
    for scheme in ("light", "dark"):
        page.look(width=390, height=844, scheme=scheme)
        assert page.ask("document.documentElement.scrollWidth") == 390
        assert len(page.screenshot()) > 10_000


def test_strangers_get_nothing(address):
    bare, _, key = address.partition("?")
    for url, headers, status in (
        (bare, {}, 403),
        (address, {"Host": "rebound.example"}, 421),
        (address, {"Origin": "http://rebound.example"}, 403),
        (f"{bare}result/guess?{key}", {}, 403),
        (f"{bare}docs?{key}", {}, 403),
    ):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(urllib.request.Request(url, headers=headers))
        assert error.value.code == status
        error.value.close()
    with urllib.request.urlopen(address) as answer:
        cookie = answer.headers["set-cookie"].partition(";")[0]
    for path in ("docs", "openapi.json", "result/guess", "../etc/passwd"):
        request = urllib.request.Request(bare + path, headers={"Cookie": cookie})
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(request)
        assert error.value.code == 404
        error.value.close()
