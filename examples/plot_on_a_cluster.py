# %% [markdown]
# # On a cluster
#
# Thousands of tracks are not done in a loop: a machine goes down, a file is broken, and one starts again. Here the
# work is a list in a file, each result is complete or not there at all, and the same command goes on where it
# stopped: on one machine, or on many.
#
# **What to hear**: any file of `on_a_cluster/results`, to see that it is what you asked for. The rest is bookkeeping.

# %%
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

from matplotlib.figure import Figure

import sigsep_classic as ssc

folder = Path("on_a_cluster")
for seed in range(2):
    song = ssc.synthesize("song", seconds=2.0, sample_rate=16000, seed=seed)
    ssc.save(folder / f"album/song{seed}.wav", song.mixture, song.sample_rate)
(folder / "album/broken.wav").write_bytes(b"this is no sound")


def command(*words: str) -> None:
    """Run sigsep-classic as a shell would, in the lesson's folder, and print what it says."""
    print("$ sigsep-classic", *words)
    line = [sys.executable, "-m", "sigsep_classic", *words]
    done = subprocess.run(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout.rstrip().replace(str(folder.resolve()) + "/", ""))
    print(f"(exit code {done.returncode})")


# %% [markdown]
# **The list**: a line for each file and method, in JSON, that a person can read and a program can write.

# %%
command("manifest", "album", "-m", "hpss", "-m", "small=nmf:n_components=4,n_iter=20", "-o", "set.jsonl")
print((folder / "set.jsonl").read_text().splitlines()[1])

# %% [markdown]
# **The run**. `-j 2` is two processes of this machine. With `--cluster` it is a dask cluster: `local:2` starts one
# here, for trying out; `tcp://head:8786` is one that is running, and its workers may be on other machines that see
# the same files. One file is broken. It costs its own lines, nothing else, and the run says so.

# %%
has_dask = importlib.util.find_spec("distributed") is not None
print(
    "dask is here"
    if has_dask
    else 'dask is not installed (pip install "sigsep-classic[cluster]"): two processes do'
)
command("run", "set.jsonl", "-o", "results", *(["--cluster", "local:2"] if has_dask else ["-j", "2"]))

# %% [markdown]
# **Again.** We mend the broken file, throw one result away, as if the power had gone, and give the same command: it
# does what is missing, and only that.

# %%
ssc.save(folder / "album/broken.wav", song.mixture, song.sample_rate)
lost = next((folder / "results").glob("**/record.json"))
shutil.rmtree(lost.parent)
print("lost:", lost.parent.relative_to(folder))
command("run", "set.jsonl", "-o", "results", "-j", "1")

# %% [markdown]
# Each result has a record beside it: what made it, where, and how long it took.

# %%
records = [json.loads(path.read_text()) for path in sorted((folder / "results").glob("**/record.json"))]
print(f"{len(records)} results; the first took {records[0]['seconds']:.2f} s on {records[0]['device']}")
fig = Figure(figsize=(9, 3.5), layout="constrained")
ax = fig.add_subplot()
ax.barh([record["place"] for record in records], [record["seconds"] for record in records])
ax.set(xlabel="Seconds", title="What each line of the list took")
fig.savefig(folder / "seconds.png")

# %% [markdown]
# **Try**: press Ctrl-C in the middle of a run of your own music (`sigsep-classic manifest ~/Music -m vocals`), and
# start it again. Then think: why must a result appear all at once, and not file by file?
