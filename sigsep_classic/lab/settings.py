"""The left of the page: a method, and a control for each of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from nicegui import ui

from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.documentation import references_of, summary_of
from sigsep_classic.lab import controls
from sigsep_classic.lab.controls import AS_IS, Control

FIRST_METHOD = "hpss"
SHOWN, FEW = 6, 2
"""Parameters in sight, and how many more are not worth a press."""

OPTION = """
<q-item v-bind="props.itemProps"><q-item-section>
<q-item-label class="name">{{ props.opt.label.slice(0, props.opt.label.indexOf(": ")) }}</q-item-label>
<q-item-label caption lines="2">{{ props.opt.label.slice(props.opt.label.indexOf(": ") + 2) }}</q-item-label>
</q-item-section></q-item>
"""
"""Of the list of methods: the name, and below it the summary."""


class Settings:
    """A method and its parameters, as chosen.

    Parameters
    ----------
    on_change : callable
        Called after each change.
    """

    def __init__(self, *, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self.method = FIRST_METHOD
        self._answers: dict[str, Any] = {}
        self._fields: dict[str, Any] = {}
        with ui.card().classes("panel"):
            ui.html("<h2>2. Method</h2>")
            names = {name: f"{name}: {text}" for name, text in controls.summaries().items()}
            choose = ui.select(names, value=self.method, with_input=True, on_change=self._chosen)
            choose.props('dense outlined options-dense aria-label="Method" hide-selected fill-input')
            choose.props('popup-content-class="methods" input-debounce=0').classes("method")
            choose.add_slot("option", OPTION)
            self._about = ui.column().classes("about")
        self._panel = ui.card().classes("panel")
        self._fill()

    def parameters(self) -> dict[str, Any]:
        """Return the method's parameters that are not the default."""
        return controls.changed(controls.controls_of(self.method), self._answers)

    def options(self) -> dict[str, Any]:
        """Return the options of `separate` that were chosen."""
        return controls.changed(controls.stem_controls(self.method), self._answers)

    def complaint(self) -> str:
        """Return what is wrong with the settings, one line; empty where nothing is."""
        try:
            self.options()
            return controls.complaint(self.method, self.parameters())
        except ParameterError as error:
            return str(error)

    def _chosen(self, event: Any) -> None:
        if event.value is None or event.value == self.method:
            return
        self.method = event.value
        self._fill()
        self._on_change()

    def _fill(self) -> None:
        """Show the method chosen, all parameters as they are by default."""
        self._answers = controls.beginning(self.method)
        kind = METHODS.find(self.method)
        self._about.clear()
        with self._about:
            ui.label(summary_of(kind))
            papers = references_of(kind)
            if papers:
                with ui.expansion(f"Paper{'s'[: len(papers) != 1]}").props("dense").classes("more"):
                    for paper in papers:
                        ui.label(paper).classes("paper")
        self._panel.clear()
        with self._panel:
            self._show_parameters()

    def _show_parameters(self) -> None:
        own, stems = controls.controls_of(self.method), controls.stem_controls(self.method)
        self._fields = {}
        with ui.row().classes("title"):
            ui.html("<h2>3. Parameters</h2>")
            self._reset = (
                ui.button("Reset", color=None, on_click=self._back)
                .props("flat dense no-caps")
                .classes("reset")
            )
        if not own:
            ui.label("This method has none.").classes("soft")
        n_shown = SHOWN if len(own) > SHOWN + FEW else len(own)
        self._grid(own[:n_shown])
        if own[n_shown:]:
            with ui.expansion(f"{len(own) - n_shown} more").props("dense").classes("more others"):
                self._grid(own[n_shown:])
        with (
            ui.expansion("How stems are made", value="groups" in self._answers).props("dense").classes("more")
        ):
            self._grid(stems)
        left = controls.python_only(self.method)
        if left:
            ui.label(f"In Python only: {', '.join(left)}").classes("soft")
        self._wrong = ui.label().classes("wrong").props('role="alert"')
        self._checked()

    def _grid(self, shown: Iterable[Control]) -> None:
        with ui.element("div").classes("grid"):
            for control in shown:
                with ui.element("div").classes("field").props(f'data-name="{control.name}"'):
                    self._fields[control.name] = self._field(control)
                    with ui.button(icon="help_outline", color=None).props("flat round dense size=sm") as mark:
                        mark.props(f'aria-label="About {control.name}"').classes("help")
                        doc = f"{control.parameter.doc} ({control.about})"
                        ui.tooltip(doc).classes("doc").props("max-width=22rem")
                        with ui.menu().classes("doc-menu"):
                            ui.label(doc)

    def _field(self, control: Control) -> Any:
        """Return the element of a control, with what was answered so far."""
        value = self._answers.get(control.name, control.default)

        def answered(event: Any) -> None:
            self._answers[control.name] = event.value
            self._checked()
            self._on_change()

        if control.kind == "switch":
            return (
                ui.switch(control.name, value=bool(value), on_change=answered).props("dense").classes("grow")
            )
        if control.kind == "choice":
            choices = [*([AS_IS] if control.optional else []), *control.parameter.choices]
            field = ui.select(
                choices, label=control.name, value=AS_IS if value is None else value, on_change=answered
            )
            return field.props("dense outlined options-dense").classes("grow")
        if control.kind == "text":
            text = "" if value is None else str(value)
            field = ui.input(control.name, value=text, placeholder=AS_IS, on_change=answered)
            return field.props("dense outlined stack-label debounce=300").classes("grow")
        step = 1 if control.kind == "whole" else "any"
        number = ui.number(control.name, value=value, placeholder=AS_IS, on_change=answered)
        bounds = f'step={step} debounce=300 hide-hint hint="{control.range or ""}"'
        return number.props(f"dense outlined stack-label {bounds}").classes("grow")

    def _back(self) -> None:
        self._fill()
        self._on_change()

    def _checked(self) -> None:
        """Mark what is not as it was, and say what is wrong."""
        wrong = self.complaint()
        self._wrong.set_text(wrong)
        self._wrong.set_visibility(bool(wrong))
        begun = controls.beginning(self.method)
        moved = False
        for control in (*controls.controls_of(self.method), *controls.stem_controls(self.method)):
            try:
                value = controls.value_of(control, self._answers.get(control.name, control.default))
                changed = value != begun.get(control.name, control.default)
            except ParameterError:
                changed = True
            moved |= changed
            if control.name in self._fields:
                self._fields[control.name].classes(**{"add" if changed else "remove": "changed"})
        self._reset.set_visibility(moved)
