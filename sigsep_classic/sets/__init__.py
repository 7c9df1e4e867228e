"""Sets of tracks: what to do to each file as a list, done by many processes or machines, each result on disk.

>>> import os, tempfile
>>> from sigsep_classic import save, sets, synthesize
>>> mix = synthesize("song", seconds=1.0, sample_rate=16000)
>>> with tempfile.TemporaryDirectory() as folder:
...     _ = save(os.path.join(folder, "song.wav"), mix.mixture, mix.sample_rate)
...     units = [sets.Unit(file="song.wav", method=name) for name in ("hpss", "mid_side")]
...     summary = sets.run(sets.Manifest(units=units, folder=folder), os.path.join(folder, "results"))
>>> summary.done, summary.failed
(2, [])
"""

from sigsep_classic.sets.manifest import Manifest, Unit, read_manifest, write_manifest
from sigsep_classic.sets.running import Summary, run, tasks
from sigsep_classic.sets.work import Task, process

__all__ = [
    "Manifest",
    "Summary",
    "Task",
    "Unit",
    "process",
    "read_manifest",
    "run",
    "tasks",
    "write_manifest",
]
