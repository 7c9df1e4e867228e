"""The code that the lab shows is run, and makes what the lab made."""

import io
import re
import shlex
import zipfile

import pytest

import sigsep_classic as ssc
from sigsep_classic import audio
from sigsep_classic.cli.main import main
from sigsep_classic.lab import code, controls, work
from sigsep_classic.lab.code import Ask, Example, Uploaded
from sigsep_classic.lab.shelf import zipped

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

RATE = 8000
QUICK = {"n_components": 4, "n_iter": 12, "beta": 0.5}


def recording(seconds=1.0):
    mix = ssc.synthesize("song", seconds=seconds, sample_rate=RATE)
    file = io.BytesIO()
    audio.write_stream(file, mix.mixture, RATE, format="wav")
    return file.getvalue()


def made(ask, data=b""):
    """Return the news of a task; no pictures."""
    news = []
    work.work({"ask": ask, "data": data}, news.append, stopped=lambda: True)
    return news


def stems(news):
    return next(each for each in news if isinstance(each, work.Stems)).files


def written(folder):
    return {path.stem: path.read_bytes() for path in folder.glob("*.wav")}


@pytest.mark.slow
def test_python_and_command_line_make_the_bits_the_lab_made(tmp_path, monkeypatch):
    name = 'it\'s "loud" é.wav'
    grouping = {"groups": "timbre", "n_sources": 2, "mask": "wiener"}
    ask = Ask(sound=Uploaded(name=name), method="nmf", parameters=QUICK, options=grouping)
    data = recording(0.6)
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(data)
    news = made(ask, data)
    lab = stems(news)
    assert len(lab) == 2
    steps = [each for each in news if isinstance(each, work.Step)]
    assert steps[0].n_iter == 12
    assert news[-1].text == "drawing pictures"

    exec(compile(code.python(ask), "shown", "exec"), {})
    assert written(tmp_path / "separated" / 'it\'s "loud" é') == lab
    assert (tmp_path / 'it\'s "loud" é.png').read_bytes()[1:4] == b"PNG"
    page = next(each for each in news if isinstance(each, work.Page)).text
    shown = (tmp_path / 'it\'s "loud" é.html').read_text()
    assert re.sub(r"data:audio/ogg[^\"]*", "", shown) == re.sub(r"data:audio/ogg[^\"]*", "", page)

    (line,) = code.shell(ask).splitlines()
    assert main([*shlex.split(line)[1:], "-q", "-o", "typed"]) == 0
    assert written(tmp_path / "typed" / 'it\'s "loud" é') == lab


@pytest.mark.slow
def test_code_of_an_example_makes_the_bits_the_lab_made(tmp_path, monkeypatch):
    ask = Ask(sound=Example(variant="hum", seed=3), method="hpss", parameters={"harmonic_margin": 2.0})
    monkeypatch.chdir(tmp_path)
    lab = stems(made(ask))
    exec(compile(code.python(ask), "shown", "exec"), {})
    assert written(tmp_path / "separated" / "mixture") == lab
    for line in code.shell(ask).splitlines():
        assert main(shlex.split(line)[1:]) == 0
    assert written(tmp_path / "separated" / "mixture") == lab


def test_every_parameter_of_every_method_can_be_typed_and_written():
    from sigsep_classic.cli import parsing
    from sigsep_classic.cli.separate import add_options

    for method in ("nmf", "hpss", "ica", "duet", "pds", "ensemble"):
        parser = parsing.verb_parser("separate", "separates")
        add_options(parser, ["-m", method])
        every = controls.controls_of(method)
        parameters = {c.name: c.default for c in every}
        ask = Ask(sound=Uploaded(name="-x.wav"), method=method, parameters=parameters)
        (line,) = code.shell(ask).splitlines()
        options = vars(parsing.parse(parser, shlex.split(line)[2:]))
        assert options["input"] == ["./-x.wav"]
        assert {name: options[f"parameter:{name}"] for name in parameters} == parameters
        call = re.findall(r"sep = ssc.separate(\(.*?^\)|\(.*?\)$)", code.python(ask), re.S | re.M)[0]
        given = eval("dict" + call.replace('"-x.wav",', "", 1))
        assert given == {"method": method, **parameters}


def test_names_from_a_browser_are_names_and_no_paths():
    assert code.plain_name("/etc/passwd") == "passwd"
    assert code.plain_name("C:\\music\\a b.wav") == "a b.wav"
    assert code.plain_name("../..") == ".."
    assert code.plain_name("a\n\x00.wav") == "a.wav"
    assert code.plain_name("") == "recording"
    assert len(code.plain_name("x" * 999 + ".wav")) == code.LONGEST_NAME


def test_what_is_no_sound_is_told_in_one_line_and_its_name_opens_nothing(tmp_path):
    real = tmp_path / "real.wav"
    real.write_bytes(recording(0.1))
    for task in (
        {"sound": Uploaded(name=str(real))},
        {"ask": Ask(sound=Uploaded(name=str(real)), method="hpss")},
    ):
        news = []
        work.work({**task, "data": b"no sound"}, news.append)
        assert isinstance(news[-1], work.Failed)
        assert "can't be read as sound" in news[-1].line
        assert "\n" not in news[-1].line
    assert work.failure(MemoryError()) == "out of memory; take a shorter recording, or fewer components"


def test_a_recording_is_heard_before_it_is_separated():
    news = []
    work.work({"sound": Uploaded(name="a.wav"), "data": recording(0.5)}, news.append)
    heard = news[-1]
    assert (heard.sample_rate, heard.channels, heard.seconds) == (RATE, 2, 0.5)
    assert heard.page.count("<audio") == 1


def test_an_archive_of_the_same_files_is_the_same():
    files = {"a/b.wav": b"1", "a/c.wav": bytes(100)}
    assert zipped(files) == zipped(files)
    with zipfile.ZipFile(io.BytesIO(zipped(files))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files
