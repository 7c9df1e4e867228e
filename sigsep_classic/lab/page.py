"""The page of one tab: its recording, its settings, its job and what came of it. No two tabs share anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nicegui import ui

from sigsep_classic.audio import AUDIO_SUFFIXES
from sigsep_classic.datasets.synthetic import VARIANTS
from sigsep_classic.lab.code import Ask, Example, Uploaded, plain_name
from sigsep_classic.lab.jobs import Job, Jobs
from sigsep_classic.lab.results import INTO_SIGHT, Results
from sigsep_classic.lab.settings import Settings
from sigsep_classic.lab.shelf import Shelf

STYLE = Path(__file__).with_name("style.css")
LOOK_S = 0.2
"""How often a tab looks at what its job has come to."""

EXAMPLES = {
    "song": "a song: voice, keys, bass, drums",
    "repeat": "a loop under a voice",
    "speech2": "two talkers, one microphone",
    "stereo2x2": "two talkers, left and right",
    "convolutive": "two talkers in a room, two microphones",
    "hum": "a talker under hum and hiss",
}


def build(jobs: Jobs, shelf: Shelf, *, upload_limit: int) -> None:
    """Make the page for the tab that asks for it."""
    ui.add_css(STYLE.read_text(encoding="utf-8"))
    ui.colors(primary="#7a3ea8", secondary="#0b6e4f", accent="#7a3ea8", negative="#b3261e")
    tab = Tab(jobs, shelf, upload_limit)
    ui.context.client.on_delete(tab.close)


class Tab:
    """What one tab has and shows.

    Parameters
    ----------
    jobs : Jobs
        Of all tabs.
    shelf : Shelf
        Of all tabs; this one takes away what it put there.
    upload_limit : int
        Bytes.
    """

    def __init__(self, jobs: Jobs, shelf: Shelf, upload_limit: int) -> None:
        self._jobs, self._limit = jobs, upload_limit
        self.sound: Uploaded | Example | None = None
        self._data = b""
        self._job: Job | None = None
        self._ask: Ask | None = None
        self._reading = False
        self._seen: Any = None
        with ui.element("header").classes("lab-head"):
            ui.html("<h1>sigsep-classic <b>lab</b></h1>")
            ui.label("Try a method on a recording. Everything stays on this computer.").classes("soft")
        with ui.element("main").classes("lab"):
            with ui.column().classes("side"):
                self._show_sound()
                self.settings = Settings(on_change=self._changed)
                self._show_run()
            self.results = Results(shelf)
        ui.timer(LOOK_S, self._look)
        self._changed()
        self._look()

    def close(self) -> None:
        """Let go of everything: the tab is gone."""
        if self._job is not None:
            self._jobs.cancel(self._job)
        self.results.clear()
        self._data = b""

    def _show_sound(self) -> None:
        with ui.card().classes("panel"):
            ui.html("<h2>1. Sound</h2>")
            self._upload = ui.upload(
                label="Drop a recording, or press +",
                auto_upload=True,
                max_file_size=self._limit,
                on_upload=self._uploaded,
                on_rejected=self._rejected,
            )
            accepted = ",".join(sorted(AUDIO_SUFFIXES))
            self._upload.props(f'accept="{accepted}" flat bordered').classes("drop")
            with ui.row().classes("either"):
                names = {name: EXAMPLES.get(name, name) for name in VARIANTS}
                self._example = ui.select(names, value="song", label="or an example made on the spot")
                self._example.props("dense outlined options-dense").classes("grow")
                ui.button("Take it", color=None, on_click=self._take_example).props(
                    "outline no-caps"
                ).classes("take")
            self._facts = ui.label().classes("facts").props('role="status"')
            self._facts.set_visibility(False)

    def _show_run(self) -> None:
        with ui.row().classes("go-row"):
            self._go = ui.button("Separate", color=None, on_click=self._run).props("no-caps unelevated")
            self._go.classes("go grow")
            self._stop = ui.button("Cancel", color=None, on_click=self._cancel).props("no-caps outline")
            self._stop.classes("stop")

    async def _uploaded(self, event: Any) -> None:
        data = await event.file.read()
        self._upload.reset()
        self._take(Uploaded(name=plain_name(event.file.name)), data)

    def _rejected(self) -> None:
        self._upload.reset()
        self.results.fail(
            f"that file can't be taken; sounds of at most {self._limit / 1e6:.0f} MB can (--upload-limit)"
        )

    def _take_example(self) -> None:
        self._take(Example(variant=str(self._example.value)), b"")

    def _take(self, sound: Uploaded | Example, data: bytes) -> None:
        self._drop_job()
        self.sound, self._data, self._ask = sound, data, None
        self.results.clear()
        self._facts.set_visibility(False)
        self._job, self._reading = self._jobs.submit(sound=sound, data=data), True
        self._changed()

    def _drop_job(self) -> None:
        if self._job is not None and not self._job.over:
            self._jobs.cancel(self._job)

    def _run(self) -> None:
        complaint = self.settings.complaint()
        if self.sound is None or complaint:
            self.results.fail(complaint or "there is no recording yet; drop one, or take the example")
            return
        self._drop_job()
        self._ask = self._asked()
        self.results.clear(working=True)
        self.results.show_code(self._ask)
        self._job, self._reading = self._jobs.submit(ask=self._ask, data=self._data), False
        ui.run_javascript(INTO_SIGHT)

    def _asked(self) -> Ask:
        """Return what the settings ask for, of the example where there is no recording yet."""
        return Ask(
            sound=self.sound or Example(),
            method=self.settings.method,
            parameters=self.settings.parameters(),
            options=self.settings.options(),
        )

    def _cancel(self) -> None:
        if self._job is not None:
            self._jobs.cancel(self._job)

    def _changed(self) -> None:
        """Show the code of the settings, unless what is seen came of others."""
        if self._ask is None and not self.settings.complaint():
            self.results.show_code(self._asked())

    def _look(self) -> None:
        """Show what the job has come to since the last look."""
        job = self._job
        if job is not None:
            self.results.show_progress(job)
            seen = (id(job), job.version)
            if seen != self._seen:
                self._seen = seen
                self._news(job)
        running = job is not None and job.working
        self._stop.set_visibility(running)
        self._go.set_enabled(self.sound is not None and not running)

    def _news(self, job: Job) -> None:
        if job.heard is not None:
            self._show_facts(job)
        if job.error and self._reading:  # what was dropped is no recording
            self.sound, self._data = None, b""
        self.results.show(job, self._ask)
        if job.over and job.stems is None and self._ask is not None:
            self._ask = None  # nothing came of it: the code is that of the settings again
            self.results.clear(error=False)
            self._changed()

    def _show_facts(self, job: Job) -> None:
        heard = job.heard
        assert heard is not None
        if self.sound is None:
            return
        channels = f"{heard.channels} channel{'s'[: heard.channels != 1]}"
        parts = [self.sound.name, f"{heard.seconds:.1f} s", channels, f"{heard.sample_rate} Hz"]
        self._facts.set_text(", ".join(parts))
        self._facts.set_visibility(True)
