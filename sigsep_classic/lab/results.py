"""The right of the page: what is being done, then the stems to hear, pictures, code, files."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from sigsep_classic.lab import code, curve
from sigsep_classic.lab.code import Ask
from sigsep_classic.lab.jobs import Job
from sigsep_classic.lab.shelf import Shelf, zipped

INTO_SIGHT = "document.querySelector('.results').scrollIntoView({behavior: 'smooth', block: 'nearest'})"

PAGES = {"listen": "Listen", "look": "Pictures", "code": "Code", "files": "Files"}
LABELS = {"model": "what was found", "loss": "loss", "permutation": "permutation before and after"}
PATIENCE_S = 4.0
"""After so long without a first iteration it is said what may take so long."""

EMPTY = {
    "listen": "Drop a recording or take the example, choose a method, and press Separate.",
    "look": "Pictures of what the method finds (templates, masks, filters …) come here after the stems.",
    "files": "Stems to keep come here.",
}
SOON = "The stems come here as soon as they are made."


class Results:
    """What a job came to.

    Parameters
    ----------
    shelf : Shelf
        Where what the browser asks for is put.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf, self._kept = shelf, dict[str, str]()
        self._view: str | None = None
        with ui.column().classes("results"):
            with (
                ui.element("div")
                .classes("progress")
                .props('role="status" aria-live="polite"') as self._progress
            ):
                with ui.row().classes("line"):
                    self._stage = ui.label()
                    self._clock = ui.label().classes("soft")
                self._bar = ui.linear_progress(0.0, show_value=False).props("rounded")
                self._bar.props('aria-label="Progress"')
                self._curve = ui.html("", sanitize=False).classes("curve")
                self._loss = ui.label().classes("soft loss")
            self._error = ui.label().classes("error").props('role="alert"')
            self._warnings = ui.column().classes("warnings")
            with ui.tabs(value="listen", on_change=lambda event: self._turn(event.value)) as self._tabs:
                for name, label in PAGES.items():
                    ui.tab(name, label)
            self._tabs.props("align=left no-caps inline-label dense").classes("tabs")
            self._pages = {name: ui.element("section").classes(f"page {name}") for name in PAGES}
        self._progress.set_visibility(False)
        self._error.set_visibility(False)
        self.clear()
        self._turn("listen")

    def clear(self, *, working: bool = False, error: bool = True) -> None:
        """Show nothing, and forget what was shown, an ``error`` too; say that stems will come if they will."""
        for name in self._kept.values():
            self._shelf.drop(name)
        self._kept, self._view = {}, None
        if error:
            self._error.set_visibility(False)
        self._warnings.clear()
        for name, text in EMPTY.items():
            self._pages[name].clear()
            with self._pages[name]:
                ui.label(SOON if working and name == "listen" else text).classes("empty")

    def fail(self, line: str) -> None:
        """Say what went wrong; on a phone it is out of sight otherwise."""
        if line and line != self._error.text:
            ui.run_javascript(INTO_SIGHT)
        self._error.set_text(line)
        self._error.set_visibility(bool(line))

    def show_progress(self, job: Job) -> None:
        """Show how far a job is; called often."""
        self._progress.set_visibility(not job.over)
        if job.over:
            return
        self._clock.set_text(f"{job.seconds:.0f} s" if job.begun else "")
        self._stage.set_text(_stage(job))
        step = job.step if job.stage == "separating" else None
        known = step is not None and step.n_iter
        self._bar.props(remove="indeterminate") if known else self._bar.props("indeterminate")
        self._bar.set_value(round(step.i / step.n_iter, 3) if step is not None and step.n_iter else 0.0)
        losses = job.step.losses if job.step is not None else ()
        self._curve.set_content(curve.svg(losses, last=job.step.n_iter if job.step else None))
        self._loss.set_text(curve.caption(losses))

    def show(self, job: Job, ask: Ask | None) -> None:
        """Show what a job has come to."""
        self.fail(job.error or ("cancelled; nothing was kept" if job.state == "cancelled" else ""))
        if job.heard is not None and "page" not in self._kept:
            self._warn(job.heard.warnings)
            self._frame(job.heard.page, "The recording")
        if job.page is not None and "page" not in self._kept and job.stems is not None:
            self._warn(job.stems.warnings)
            self._frame(job.page.text, "Mixture and stems")
            if ask is not None:
                self._show_files(job, ask)
        if job.pictures and self._kept.get("pictures") != str(len(job.pictures)):
            self._show_pictures(job)

    def show_code(self, ask: Ask) -> None:
        """Show what does the same without the lab."""
        page = self._pages["code"]
        page.clear()
        with page:
            ui.label("Python: the same stems, bit for bit").classes("what")
            ui.code(code.python(ask), language="python").classes("text python")
            ui.label("In a terminal").classes("what")
            ui.code(code.shell(ask), language="bash").classes("text shell")
            if isinstance(ask.sound, code.Uploaded):
                ui.label("Run it where the recording lies.").classes("soft")

    def _put(
        self, name: str, data: bytes | Callable[[], bytes], media_type: str, *, download: str = ""
    ) -> str:
        """Return the address of something that the browser may ask for."""
        if name in self._kept:
            self._shelf.drop(self._kept[name])
        self._kept[name] = self._shelf.put(data, media_type, download=download)
        return f"/result/{self._kept[name]}"

    def _frame(self, text: str, title: str) -> None:
        page = self._pages["listen"]
        page.clear()
        where = self._put("page", text.encode(), "text/html; charset=utf-8")
        with page:
            ui.element("iframe").props(f'src="{where}" title="{title}" allow="autoplay"').classes("player")

    def _warn(self, lines: tuple[str, ...]) -> None:
        self._warnings.clear()
        with self._warnings:
            for line in lines:
                ui.label(line).classes("warning")

    def _show_pictures(self, job: Job) -> None:
        self._kept["pictures"] = str(len(job.pictures))
        page, views = self._pages["look"], list(job.pictures)
        where = {view: self._kept_picture(job, view) for view in views}
        chosen = self._view if self._view in views else views[0]
        page.clear()
        with page:
            labels = {view: LABELS.get(view, view) for view in views}
            ui.toggle(labels, value=chosen, on_change=lambda event: turn(event.value)).props(
                "no-caps unelevated dense spread=false"
            ).classes("views")
            image = ui.element("img").classes("picture")
            link = ui.link("Full size", where[chosen], new_tab=True).classes("soft")

            def turn(view: str) -> None:
                self._view = view
                image.props(f'src="{where[view]}" alt="Picture: {labels[view]}"')
                link.props(f'href="{where[view]}"')

            turn(chosen)

    def _kept_picture(self, job: Job, view: str) -> str:
        name = f"picture {view}"
        if name in self._kept:
            return f"/result/{self._kept[name]}"
        return self._put(name, job.pictures[view], "image/png")

    def _show_files(self, job: Job, ask: Ask) -> None:
        assert job.stems is not None
        assert job.page is not None
        track, stems, report = ask.sound.track, job.stems.files, job.page.text.encode()
        whole = sum(map(len, stems.values()))

        def archive() -> bytes:
            return zipped({f"{track}/{name}.wav": data for name, data in stems.items()})

        page = self._pages["files"]
        page.clear()
        with page, ui.element("ul").classes("files"):
            for name, data in stems.items():
                self._file(f"{name}.wav", data, "audio/wav", f"32-bit float, {_size(len(data))}")
            self._file(f"{track}.zip", archive, "application/zip", f"all stems, {_size(whole)}")
            self._file(
                f"{track}.html", report, "text/html", f"this page, to keep or send, {_size(len(report))}"
            )

    def _file(self, name: str, data: bytes | Callable[[], bytes], media_type: str, note: str) -> None:
        where = self._put(f"file {name}", data, media_type, download=name)
        with ui.element("li"):
            ui.link(name, where).props["download"] = name
            ui.label(note).classes("soft")

    def _turn(self, name: str) -> None:
        """Bring one page forward; the player goes on behind it."""
        for each, page in self._pages.items():
            page.set_visibility(each == name)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.0f} kB"


def _stage(job: Job) -> str:
    """Return what is being done, in words."""
    if job.state == "waiting":
        return "Waiting for a free worker"
    text = (job.stage or "starting").capitalize()
    if job.stage == "separating" and job.step is not None:
        return f"{text}: iteration {job.step.i}" + (f" of {job.step.n_iter}" if job.step.n_iter else "")
    if job.stage == "separating" and job.seconds > PATIENCE_S:
        return f"{text} (what was never used here before is compiled first, once)"
    return text
