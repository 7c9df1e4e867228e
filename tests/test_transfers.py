"""What streams of their own move is whole, whatever the order in which a GPU does what no event orders."""

from __future__ import annotations

import ctypes
import random
import sys
import types
import weakref
from collections import deque

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sigsep_classic import transfers as module
from sigsep_classic.transfers import CudaTransfers, Moving, transfers


def test_on_the_cpu_nothing_moves_and_nothing_is_copied():
    moves, x = transfers("cpu"), np.ones((2, 3))
    with moves.working():
        assert moves.received(moves.send(x)) is x
        assert moves.fetched(moves.fetch({"a": x}))["a"] is x
    moves.settle()
    assert not moves.overlap


class Gpu:
    """A GPU with queues: each stream does what it was asked for in order, but when, nobody knows.

    Memory that is let go is given to the next array of the same stream and size at once, as CuPy's pool does.
    """

    def __init__(self, seed):
        self.random, self.streams, self.pool = random.Random(seed), [], {}

    def allocate(self, owner, size):
        free = self.pool.setdefault((id(owner), size), [])
        return free.pop() if free else np.full(size, 255, np.uint8)  # no number

    def let_go(self, owner, memory):
        self.pool[id(owner), len(memory)].append(memory)

    def step(self):
        """Do the next thing of some stream that need not wait; say whether there was one."""
        ready = [s for s in self.streams if s.queue and s.queue[0][0]()]
        if ready:
            self.random.choice(ready).queue.popleft()[1]()
        return bool(ready)

    def some_steps(self):
        while self.random.random() < 0.4:
            self.step()

    def until(self, reached):
        while not reached():
            assert self.step(), "the streams wait for one another"


class Stream:
    def __init__(self, gpu, non_blocking=False):
        self.gpu, self.queue, self.non_blocking = gpu, deque(), non_blocking
        gpu.streams.append(self)

    def ask(self, action, ready=lambda: True):
        self.queue.append((ready, action))
        self.gpu.some_steps()

    def wait_event(self, event):
        mark = event.mark
        self.ask(lambda: None, lambda: mark["done"])

    def __enter__(self):
        self.gpu.current.append(self)

    def __exit__(self, *args):
        self.gpu.current.pop()


class Event:
    def __init__(self, gpu):
        self.gpu, self.mark = gpu, {"done": True}

    done = property(lambda self: self.mark["done"])

    def record(self, stream):
        self.mark = mark = {"done": False}
        stream.ask(lambda: mark.update(done=True))

    def synchronize(self):
        self.gpu.until(lambda: self.done)


class Device:
    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass


class DeviceArray:
    """Memory of the device: it can be asked for, read and written by streams alone."""

    def __init__(self, gpu, shape, dtype):
        owner = gpu.current[-1]
        memory = gpu.allocate(owner, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        weakref.finalize(self, gpu.let_go, owner, memory)
        self.gpu, self.shape, self.dtype = gpu, shape, np.dtype(dtype)
        self.values = memory.view(dtype).reshape(shape)

    def set(self, host, stream):
        to = self.values
        stream.ask(lambda: np.copyto(to, host))

    def get(self, stream, out, blocking):
        assert not blocking
        values = self.values
        stream.ask(lambda: np.copyto(out, values))

    def doubled(self):
        made, values = DeviceArray(self.gpu, self.shape, self.dtype), self.values
        to = made.values
        self.gpu.current[-1].ask(lambda: np.multiply(values, 2, out=to))
        return made


@pytest.fixture
def make_gpu(monkeypatch):
    """A stand-in for CuPy whose streams run when they like."""

    def make(seed):
        gpu = Gpu(seed)
        pinned: dict[int, list[bytearray]] = {}

        def alloc_pinned_memory(size):
            free = pinned.setdefault(size, [])
            block = free.pop() if free else bytearray(b"\xff" * size)
            lent = (ctypes.c_ubyte * size).from_buffer(block)  # given on once nothing refers to it
            weakref.finalize(lent, free.append, block)
            return lent

        default = Stream(gpu)
        gpu.current = [default]
        cuda = types.SimpleNamespace(
            Device=lambda index: Device(),
            Stream=lambda non_blocking: Stream(gpu, non_blocking),
            Event=lambda block, disable_timing: Event(gpu),
            get_current_stream=lambda: gpu.current[-1],
            alloc_pinned_memory=alloc_pinned_memory,
        )
        fake = types.ModuleType("cupy")
        fake.cuda, fake.ascontiguousarray = cuda, lambda array: array
        fake.empty = lambda shape, dtype: DeviceArray(gpu, shape, dtype)
        monkeypatch.setitem(sys.modules, "cupy", fake)
        module._streams.cache_clear()
        return gpu

    yield make
    module._streams.cache_clear()


def pipelined(moves, xs):
    """Double arrays as `api.many` does: send one ahead, fetch one behind, let go what is through."""
    sent, back, found = deque(), deque(), []
    for n, x in enumerate([*xs, None, None]):
        if x is not None:
            scratch = x.copy()
            sent.append(moves.send(scratch))
            scratch.fill(-1)  # the caller's array may change at once
        if n and sent:
            with moves.working():
                going = sent.popleft()
                y = moves.received(going).doubled().doubled()
                back.append((going, moves.fetch({"y": y})))
        if len(back) > 1 or (back and x is None):
            found.append(moves.fetched(back.popleft()[1])["y"])
    return found


@pytest.mark.parametrize("seed", range(20))
def test_arrays_come_back_whole_whenever_the_gpu_does_its_work(make_gpu, seed):
    gpu = make_gpu(seed)
    moves = CudaTransfers("cuda")
    rng = np.random.default_rng(seed)
    xs = [rng.standard_normal((2, 5 if n % 3 else 700)) for n in range(12)]
    found = pipelined(moves, xs)
    moves.settle()
    assert len(found) == len(xs)
    for x, y in zip(xs, found, strict=True):
        assert_array_equal(y, 4 * x)
    assert all(stream.non_blocking for stream in gpu.streams[1:])


class Careless(CudaTransfers):
    """Leaves out one of the waits."""

    def __init__(self, left_out):
        super().__init__("cuda")
        self.left_out = left_out

    def received(self, sent):
        return sent.arrays["x"] if self.left_out == "received" else super().received(sent)

    def fetch(self, arrays):
        if self.left_out != "fetch":
            return super().fetch(arrays)
        keep, self._downward = (
            self._downward,
            types.SimpleNamespace(ask=self._downward.ask, wait_event=lambda event: None),
        )
        try:
            return super().fetch(arrays)
        finally:
            self._downward = keep

    def fetched(self, moving):
        if self.left_out == "fetched":
            moving = Moving(moving.arrays, moving.buffers, types.SimpleNamespace(synchronize=lambda: None))
        return super().fetched(moving)


@pytest.mark.parametrize("left_out", ["received", "fetch", "fetched"])
def test_the_stand_in_notices_a_wait_that_is_left_out(make_gpu, left_out):
    def wrong(seed):
        make_gpu(seed)
        xs = [np.full((1, 9), n + 1.0) for n in range(6)]
        return any((y != 4 * x).any() for x, y in zip(xs, pipelined(Careless(left_out), xs), strict=True))

    assert any(wrong(seed) for seed in range(20))
    make_gpu(0)


def test_what_nobody_waits_for_any_more_is_kept_until_it_has_arrived(make_gpu):
    gpu = make_gpu(1)
    moves = CudaTransfers("cuda")
    for n in range(5):
        moves.send(np.full((1, 64), float(n)))
    moves.settle()
    assert not any(stream.queue for stream in gpu.streams[1:2])
    assert len(moves._up) == 0
