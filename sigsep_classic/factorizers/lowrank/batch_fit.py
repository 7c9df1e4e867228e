"""Fits of many NMF problems on the GPU: starts on pooled frames, several starts, iterations, each in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sigsep_classic.backend import is_cuda
from sigsep_classic.factorizers.base import ManyCallback, Problem, side_by_side
from sigsep_classic.factorizers.lowrank.batch import Batch, Lane, batches, can_batch
from sigsep_classic.factorizers.lowrank.fitted import FittedNMF, NMFModel
from sigsep_classic.factorizers.lowrank.solvers import (
    FRAMES_POOLED,
    POOLED_STEPS,
    Run,
    long_enough,
    pooled,
    repeated,
)
from sigsep_classic.kernels.threads import run_tasks
from sigsep_classic.typing import Array

START_ITER = 10
"""Iterations each of several starts is given before the best goes on."""

Told = Callable[[Any, int, NMFModel], bool | None]


def fit_together(problems: Sequence[Problem], *, callback: ManyCallback | None) -> list[FittedNMF]:
    """Return the model of each (NMF, X): on a CPU on a thread each, on a GPU in batches, or one after the other."""
    if not any(is_cuda(X) for _, X in problems):
        return side_by_side(problems, callback=callback)
    prepared: dict[tuple[int, float], Array] = {}
    given: dict[int, tuple[Any, Array]] = {}
    for n, (method, X) in enumerate(problems):
        key = (id(X), method.power)
        if not is_cuda(X):
            continue
        if method.weights is not None or method.notes is not None:  # their data have zeros of their own
            given[n] = method, method.prepare(X)
        else:
            if key not in prepared:
                prepared[key] = method.prepare(X)
            given[n] = method, prepared[key]
    found = fit_batches(given, callback)
    for n, (method, X) in enumerate(problems):
        if n not in found:
            found[n] = method.fit(X, callback=None if callback is None else partial(callback, n))
    return [found[n] for n in range(len(problems))]


def fit_batches(problems: Mapping[Any, tuple[Any, Array]], callback: Told | None) -> dict[Any, FittedNMF]:
    """Return the model of each (NMF, V) that a batch can be made of, under the name it has.

    Parameters
    ----------
    problems : mapping to (NMF, array (freq, frames))
        The data as the method's ``prepare`` gives them; the same array for methods that share it.
    callback : callable or None
        ``callback(name, i, model)`` after each step.
    """
    starts = best_starts(problems)
    lanes = {_lane(method, V, starts[name]): name for name, (method, V) in problems.items() if name in starts}
    found: dict[Any, FittedNMF] = {}

    def done(lane: Lane, model: NMFModel) -> None:
        found[lanes[lane]] = problems[lanes[lane]][0].finish(model)

    def told(lane: Lane, i: int, model: NMFModel) -> bool | None:
        return callback is not None and callback(lanes[lane], i, model)

    for members in batches(list(lanes)):
        methods = {lane: problems[lanes[lane]][0] for lane in members}
        _fit(members, methods, done, None if callback is None else told)
    return found


def best_start(method: Any, V: Array) -> NMFModel:
    """Return the best of ``n_starts`` models after `START_ITER` steps each; on a CPU on a thread each."""
    if is_cuda(V) and (found := best_starts({0: (method, V)})):
        return found[0]
    models: dict[int, NMFModel] = {}

    def begin(n: int) -> None:
        model = method.begun(V, method.seed + n)
        for _ in range(START_ITER):
            model = method.step(V, model)
        models[n] = replace(model, run=Run(value=model.value))

    run_tasks(begin, method.n_starts)
    return min((models[n] for n in range(method.n_starts)), key=lambda model: float(method.loss(V, model)))


def best_starts(problems: Mapping[Any, tuple[Any, Array]]) -> dict[Any, NMFModel]:
    """Return where each problem begins, as the method's ``init`` would, leaving out those no batch can be made of."""
    begun: dict[tuple[Any, int], NMFModel] = {}
    for name, (method, V) in problems.items():
        for seed in range(method.seed, method.seed + method.n_starts):
            model = method.seeded(V, seed)
            if not can_batch(method.objective(model)):
                break
            begun[name, seed] = model
    _pool(problems, begun)
    several = {key: model for key, model in begun.items() if problems[key[0]][0].n_starts > 1}
    tried = {_lane(*problems[key[0]], model): key for key, model in several.items()}
    for members in batches(list(tried)):
        for lane, model in _stepped(members, START_ITER).items():
            begun[tried[lane]] = replace(lane.model, W=model.W, H=model.H, run=Run(value=model.value))
    found: dict[Any, NMFModel] = {}
    for (name, _), model in begun.items():
        if name not in found or _loss(model) < _loss(found[name]):
            found[name] = model
    return found


def _loss(model: NMFModel) -> float:
    return float("inf") if model.value is None else model.value


def _lane(method: Any, V: Array, model: NMFModel) -> Lane:
    momentum = method.solver == "extrapolated"
    return Lane(V=V, model=model, objective=method.objective(model), momentum=momentum, n_iter=method.n_iter)


def _pool(problems: Mapping[Any, tuple[Any, Array]], begun: dict[tuple[Any, int], NMFModel]) -> None:
    """Replace the starts that are to be pooled; see `solvers.pooled_start`."""
    few: dict[int, Array] = {}
    lanes: dict[Lane, tuple[Any, int]] = {}
    for key, model in begun.items():
        method, V = problems[key[0]]
        if not (method.pools(V, model) and long_enough(V, model.W)):
            continue
        if id(V) not in few:
            few[id(V)] = pooled(V, FRAMES_POOLED)
        short = replace(model, H=pooled(model.H, FRAMES_POOLED))
        lane = _lane(method, few[id(V)], short)
        lanes[replace(lane, momentum=True, n_iter=POOLED_STEPS + 1)] = key
    for members in batches(list(lanes)):
        for lane, model in _stepped(members, POOLED_STEPS).items():
            key = lanes[lane]
            begun[key] = replace(begun[key], W=model.W, H=repeated(model.H, problems[key[0]][1].shape[1]))


def _stepped(members: Sequence[Lane], n_steps: int) -> dict[Lane, NMFModel]:
    """Return the model of each lane of a batch after so many of its steps."""
    batch = Batch(members)
    for i in range(n_steps):
        batch.step(last=i + 1 >= members[0].n_iter)
    batch.values()
    return dict(zip(batch.lanes, batch.models(), strict=True))


def _fit(
    members: Sequence[Lane],
    methods: Mapping[Lane, Any],
    done: Callable[[Lane, NMFModel], None],
    callback: Told | None,
) -> None:
    """Do what `Iterative.fit` does for each lane; those that have ended leave the batch and are told to ``done``."""
    batch, n_iter, every = Batch(members), members[0].n_iter, methods[members[0]].check_every
    losses: dict[Lane, list[tuple[int, float]]] = {lane: [] for lane in members}
    watched = {lane for lane in members if methods[lane].tol > 0}
    _note(batch, losses, 0, watched)
    for i in range(1, n_iter + 1):
        batch.step(last=i == n_iter)
        ended = {lane for lane in batch.lanes if i == n_iter}
        if callback is not None:
            ended |= {
                lane
                for lane, model in zip(batch.lanes, batch.models(), strict=True)
                if callback(lane, i, replace(model, losses=tuple(losses[lane])))
            }
        looked_at = ended | (watched if i % every == 0 else set())
        _note(batch, losses, i, looked_at)
        ended |= {lane for lane in batch.lanes if lane in looked_at and methods[lane]._settled(losses[lane])}
        _dismiss(batch, ended, losses, done)
        if not batch.lanes:
            return
    _dismiss(batch, set(batch.lanes), losses, done)


def _note(batch: Batch, losses: Mapping[Lane, list[tuple[int, float]]], i: int, lanes: set[Lane]) -> None:
    """Write the loss of some lanes down."""
    present = [b for b, lane in enumerate(batch.lanes) if lane in lanes]
    values = batch.values() if present else ()
    for b in present:
        lane = batch.lanes[b]
        losses[lane].append((i, float(values[b]) * lane.model.gain**-lane.objective.beta))


def _dismiss(
    batch: Batch,
    ended: set[Lane],
    losses: Mapping[Lane, list[tuple[int, float]]],
    done: Callable[[Lane, NMFModel], None],
) -> None:
    """Take lanes that have ended out of the batch."""
    if not ended:
        return
    for b, lane in enumerate(batch.lanes):
        if lane in ended:
            done(lane, replace(batch.model(b), losses=tuple(losses[lane])))
    batch.keep([b for b, lane in enumerate(batch.lanes) if lane not in ended])
