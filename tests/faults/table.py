"""Which condition is tested for which verb, and where: ``python -m tests.faults.table`` prints it.

A test is named by its file and function; `test_table.py` checks that each of them is there. ``.`` stands for a
condition that cannot arise for a verb: it reads no sound, or writes nothing.
"""

from __future__ import annotations

VERBS = (
    *("separate", "denoise", "remix", "evaluate", "compare", "benchmark", "oracle", "check-dataset", "demo"),
    *("plot", "manifest", "run", "methods", "info", "cite", "completion", "lab"),
)
ENDING = tuple(verb for verb in VERBS if verb != "lab")  # which serves until it is told to end
READ_SOUND = ("separate", "denoise", "remix", "evaluate", "benchmark", "oracle", "check-dataset", "plot")
ALSO_READ = (*READ_SOUND, "run")
WRITE = ("separate", "denoise", "remix", "evaluate", "compare", "benchmark", "oracle", "demo")
ALSO_WRITE = (*WRITE, "plot", "manifest", "run")
RUN = tuple(verb for verb in VERBS if verb not in ("plot", "manifest", "run", "lab"))

_FILES = "faults/test_inputs.py::test_every_way_for_every_file"
_SIGNAL = "faults/test_signals.py::test_a_signal_at_any_moment"
_STEP = "faults/test_signals.py::test_a_signal_at_each_step_of_each_verb"
_OUT = "faults/test_outputs.py::"

CONDITIONS: dict[str, dict[str, str]] = {
    "every file of sounds.SOUNDS: empty, cut off, mislabelled, lying headers, codings, rates, NaN": dict.fromkeys(
        READ_SOUND, _FILES
    ),
    "broken link, link to itself, /dev/zero, /dev/full, /proc, a folder": dict.fromkeys(READ_SOUND, _FILES),
    "a pipe nobody writes to": {
        **dict.fromkeys(
            ("separate", "check-dataset", "evaluate"),
            "faults/test_inputs.py::test_a_pipe_in_a_folder_that_nobody_writes_to_does_not_hang",
        ),
        "compare": "faults/test_inputs.py::test_a_pipe_among_scores_does_not_hang",
    },
    "standard input: empty, no sound, no end": {
        "separate": "cli/test_streams.py::test_standard_input_has_a_track_name_and_its_errors_say_so",
    },
    "a stream without an end": dict.fromkeys(
        ("separate", "denoise", "remix"),
        "faults/test_inputs.py::test_a_stream_without_an_end_that_is_no_sound_is_refused_early",
    ),
    "folders of the system as input": dict.fromkeys(
        ("separate", "check-dataset", "oracle", "compare"),
        "faults/test_inputs.py::test_special_files_and_folders_of_the_system_are_refused",
    ),
    "JSON of scores: empty, cut off, binary, nested, wrong types": dict.fromkeys(
        ("compare", "evaluate"),
        "faults/test_inputs.py::test_scores_that_are_no_scores_are_passed_over_in_one_line",
    ),
    "text of places": {"separate": "faults/test_inputs.py::test_places_that_are_no_places_are_refused"},
    "models that are none, fail or end Python": {
        "benchmark": "faults/test_inputs.py::test_a_model_that_is_none_is_told"
    },
    "a file or device in place of the folder": dict.fromkeys(
        ALSO_WRITE, f"{_OUT}test_a_file_in_place_of_the_folder_and_a_folder_that_takes_no_files"
    ),
    "a folder of another user": {"separate": f"{_OUT}test_nobody_may_not_write_where_root_may"},
    "files that may not grow": dict.fromkeys(ALSO_WRITE, f"{_OUT}test_files_that_may_not_grow_leave_nothing"),
    "a full disk, at once and late": dict.fromkeys(
        (*(verb for verb in ALSO_WRITE if verb != "demo"),), f"{_OUT}test_a_full_disk_leaves_nothing"
    ),
    "full standard output": dict.fromkeys(
        ("separate", "info"), "cli/test_streams.py::test_a_full_standard_output_is_exit_code_4_and_one_line"
    ),
    "closed standard output": {
        "separate": "cli/test_streams.py::test_a_closed_standard_output_is_no_error_unless_sound_should_go_there"
    },
    "a reader that leaves": dict.fromkeys(VERBS, f"{_OUT}test_a_reader_that_leaves_at_once"),
    "unwritable HOME, TMPDIR, caches": dict.fromkeys(
        ENDING, f"{_OUT}test_nothing_but_the_target_needs_to_be_writable"
    ),
    "C locale, -OO, results under a name that is not UTF-8": dict.fromkeys(
        ENDING, f"{_OUT}test_optimized_python_in_the_c_locale_with_names_that_are_not_utf8"
    ),
    "a current folder that was deleted": dict.fromkeys(
        ENDING, f"{_OUT}test_a_current_folder_that_was_deleted"
    ),
    "the input's folder as output": dict.fromkeys(
        ALSO_WRITE, f"{_OUT}test_the_input_folder_as_output_keeps_the_inputs"
    ),
    "two runs into one folder": dict.fromkeys(ALSO_WRITE, f"{_OUT}test_two_runs_into_one_folder"),
    "names that collide, odd names": dict.fromkeys(
        ("separate", "denoise", "remix"), f"{_OUT}test_names_that_collide_and_odd_names"
    ),
    "SIGINT, SIGTERM, SIGHUP at any moment": {
        **dict.fromkeys(("remix", "evaluate", "compare", "oracle", "demo", "plot", "manifest", "run"), _STEP),
        **dict.fromkeys(("separate", "denoise"), _SIGNAL),
        "benchmark": "faults/test_signals.py::test_a_command_that_is_scored_ends_with_its_children",
        "lab": "lab/test_page.py::address",
    },
    "killed workers": {
        "separate": "cli/test_pool.py::test_a_worker_that_is_killed_takes_only_its_own_file_with_it"
    },
    "SIGKILL of the command": {
        "separate": "cli/test_streams.py::test_workers_end_when_the_command_is_killed"
    },
}
"""By condition and verb: the test."""

CANNOT_ARISE: dict[str, tuple[str, ...]] = {
    condition: tuple(verb for verb in VERBS if verb not in among)
    for condition, among in {
        "every file of sounds.SOUNDS: empty, cut off, mislabelled, lying headers, codings, rates, NaN": ALSO_READ,
        "broken link, link to itself, /dev/zero, /dev/full, /proc, a folder": ALSO_READ,
        "a pipe nobody writes to": (*ALSO_READ, "compare"),
        "standard input: empty, no sound, no end": ("separate", "denoise", "remix"),
        "a stream without an end": ("separate", "denoise", "remix"),
        "folders of the system as input": (*ALSO_READ, "compare"),
        "JSON of scores: empty, cut off, binary, nested, wrong types": ("compare", "evaluate"),
        "text of places": ("separate",),
        "models that are none, fail or end Python": ("benchmark",),
        "a file or device in place of the folder": ALSO_WRITE,
        "a folder of another user": ALSO_WRITE,
        "files that may not grow": ALSO_WRITE,
        "a full disk, at once and late": ALSO_WRITE,
        "the input's folder as output": ALSO_WRITE,
        "two runs into one folder": ALSO_WRITE,
        "names that collide, odd names": (*ALSO_READ,),
        "SIGINT, SIGTERM, SIGHUP at any moment": ALSO_WRITE,
        "killed workers": ("separate", "denoise", "remix", "evaluate", "oracle"),
    }.items()
}
"""By condition: the verbs it means nothing for."""


def as_text() -> str:
    """Return the table: x tested, . cannot arise, blank not tested."""
    width = max(map(len, CONDITIONS))
    lines = [" " * width + "  " + " ".join(f"{verb[:6]:<6}" for verb in VERBS)]
    for condition, tests in CONDITIONS.items():
        marks = ("x" if v in tests else "." if v in CANNOT_ARISE.get(condition, ()) else " " for v in VERBS)
        lines.append(f"{condition:<{width}}  " + " ".join(f"{mark:<6}" for mark in marks))
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_text())
