"""Mid and side: what both channels have alike, and what they have with opposite signs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.backend import namespace, real_like
from sigsep_classic.errors import ShapeError
from sigsep_classic.factorizers.base import Callback, coefficients
from sigsep_classic.factorizers.models import Groups, check_groups
from sigsep_classic.factorizers.stereo.panning import check_azimuth, gains_at
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class MidSideModel:
    """What lies along an azimuth and what lies across it; of one channel, itself and silence.

    Parameters
    ----------
    mixture : array (channels, freq, frames)
        The coefficients X; kept, not copied.
    azimuth : float
        Degrees.
    """

    mixture: Array
    azimuth: float = 0.0
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()

    names: ClassVar[tuple[str, ...]] = ("mid", "side")
    estimates: ClassVar[bool] = True

    @property
    def n_components(self) -> int:
        """Number of stems: 2."""
        return 2

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the image of each group, (groups, channels, freq, frames), in the dtype of X."""
        X = self.mixture
        mid = self._along()
        images = (mid, X - mid)
        wanted = check_groups(groups, self.names)
        return namespace(X).stack([sum(images[k] for k in members) for members in wanted.values()])

    def _along(self) -> Array:
        X = self.mixture
        if len(X) == 1 or self.azimuth == 0:
            return (X + X[::-1]) * real_like(X.real, 0.5)
        left, right = (real_like(X.real, gain) for gain in gains_at(self.azimuth))
        along = left * X[0] + right * X[1]
        return namespace(X).stack([left * along, right * along])


@dataclass(frozen=True, kw_only=True)
class MidSide:
    """Mid and side of a stereo recording, exactly: voices, bass and drums are mostly mid.

    The stem ``mid`` is (m, m) with m = (L + R) / 2, ``side`` is (s, -s) with s = (L - R) / 2. They are linear in the
    mixture, so nothing is masked and nothing can bubble; but a source panned anywhere else than to the middle is
    in both. For masks see `Centre` and `Panned`.

    Parameters
    ----------
    azimuth : float
        Degrees, -45 (left) … 45 (right): the middle that is meant. ``mid`` is the projection on the direction of a
        source panned there, ``side`` has nothing of that source.

    Raises
    ------
    ParameterError
        ``azimuth`` is out of range.
    ShapeError
        X has more than two channels. One channel is all mid.

    References
    ----------
    A. D. Blumlein, "Improvements in and relating to sound-transmission, sound-recording and sound-reproducing
    systems", British Patent 394,325, 1933.

    Notes
    -----
    When to use: Stereo, when nothing may bubble: exact, linear, instant. A voice in the middle comes with bass and
    drums.
    Complexity: Two operations a coefficient.
    Differences from the paper: None known: the matrix of the patent.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[[3.0]], [[1.0]]])
    >>> mid, side = MidSide().fit(X).reconstruct()
    >>> mid[:, 0, 0].tolist(), side[:, 0, 0].tolist()
    ([2.0, 2.0], [1.0, -1.0])
    """

    azimuth: float = 0.0

    name: ClassVar[str] = "mid_side"
    max_channels: ClassVar[int] = 2
    context: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_azimuth("azimuth", self.azimuth)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MidSideModel:
        """Return the model of X (1 or 2 channels, freq, frames)."""
        X = coefficients(X)
        if len(X) > 2:
            raise ShapeError(f"mid_side is for two channels, X has {len(X)}; give a stereo pair, X[:2]")
        return MidSideModel(mixture=X, azimuth=self.azimuth)
