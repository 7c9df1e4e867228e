"""Options of ``separate`` about what a method works on and how stems are made of what it finds."""

from __future__ import annotations

from typing import Any

from sigsep_classic.cli import parsing

# Written down so that --help needs no NumPy; a test holds them to what the library has.
GROUPERS = ("timbre", "harmonic_percussive")
MASKS = ("ratio", "wiener", "binary", "logit", "multichannel_wiener", "mvdr", "mwf", "gev")
PHASES = ("mixture", "misi", "consistent_wiener", "unwrapped", "griffin_lim")
TAUGHT = ("nmf", "complex_nmf", "nmfd")


def add_options(parser: parsing.Parser, own: set[str]) -> None:
    """Add the options of transform, masks and grouping, but those that are the method's ``own``."""
    group = parser.add_argument_group("transform, masks and grouping")
    grouping = f"how components become stems: {', '.join(GROUPERS)}, or by number: 'drums=0,3;voice=1,2'"
    number = parsing.whole_number(1)
    options: dict[str, dict[str, Any]] = {
        "--mask": {"choices": MASKS, "help": "how spectrograms become gains (default: the method's own way)"},
        "--phase": {
            "choices": PHASES,
            "help": "where masked stems have their phases from (default: mixture)",
        },
        "--groups": {"metavar": "GROUPS", "help": grouping},
        "--n-sources": {
            "type": number,
            "metavar": "N",
            "help": "number of stems, where the grouping takes one",
        },
        "--order": {
            "choices": ("energy", "angle", "distance"),
            "help": "which source comes first, where a method tells where sources are: the strongest, that of the "
            "smallest azimuth (without --positions, the one heard first by the last channel), or the nearest "
            "(default: as the method gives them)",
        },
        "--positions": {
            "metavar": "PLACES",
            "help": "microphones in metres for --order: 'x,y;x,y' or 'x,y,z;…', one a channel, or a file of such lines",
        },
        "--example": {
            "action": "append",
            "type": parsing.named_file,
            "metavar": "NAME=FILE",
            "help": f"a recording of one source alone, for {', '.join(TAUGHT)}; may be repeated",
        },
        "--frontend": {
            "choices": ("stft", "waveform", "constant_q"),
            "help": "what the method works on (default: the method's)",
        },
        "--n-fft": {
            "type": number,
            "metavar": "N",
            "help": "window length in samples (default: the method's)",
        },
        "--hop": {
            "type": number,
            "metavar": "N",
            "help": "distance of frames in samples (default: n_fft / 4)",
        },
        "--window": {"metavar": "WINDOW", "help": "hann, or one of scipy.signal's: hamming, kaiser,8 …"},
    }
    for name, about in options.items():
        if name not in own:
            group.add_argument(name, **about)
