"""Pictures of separations: ``sep.plot()`` shows what the method found, ``sep.plot("stems")`` what it made of it.

Every picture is a matplotlib ``Figure`` of its own, with axes in seconds and Hz, that matplotlib neither shows nor
keeps: save it with ``sep.plot().savefig("picture.png")``, or end a notebook's cell with it. matplotlib is imported by
the first picture, not by importing this.
"""

from sigsep_classic.plot.dispatch import VIEWS, plot
from sigsep_classic.plot.signals import permutation, spectrogram, waveform

__all__ = ["VIEWS", "permutation", "plot", "spectrogram", "waveform"]
