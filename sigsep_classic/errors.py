"""The errors this package raises: one tree, one line each, with the way out in the message."""

from __future__ import annotations


class SigsepError(Exception):
    """Base of every error raised on purpose by this package.

    The message is one line: the file or value, what was expected, and how to put it right.
    ``exit_code`` is what the command line returns when the error ends a run.
    """

    exit_code = 1


class ParameterError(SigsepError, ValueError):
    """A parameter has a value outside its range, or a name is unknown.

    Parameters
    ----------
    message : str
        One line.
    bounds : tuple of str, float, float and bool, optional
        Which parameter lies outside which range: its name, the least value and the greatest, infinite where there is
        none, and whether it must be more than the least. For pages that make controls of parameters.
    """

    exit_code = 2

    def __init__(self, message: str = "", *, bounds: tuple[str, float, float, bool] | None = None) -> None:
        super().__init__(message)
        self.bounds = bounds


class ShapeError(SigsepError, ValueError):
    """An array has the wrong number of axes, or axes that do not fit together."""

    exit_code = 2


class ArrayTypeError(SigsepError, TypeError):
    """An array has a dtype or kind that can't be used as audio."""

    exit_code = 2


class AudioError(SigsepError, ValueError):
    """A sound file can't be read, or what it holds can't be used."""

    exit_code = 3


class NotFiniteError(AudioError):
    """A sound holds NaN or infinite samples."""


class OutputError(SigsepError, OSError):
    """A result can't be written."""

    exit_code = 4


class DeviceError(SigsepError, RuntimeError):
    """The device asked for is not there."""

    exit_code = 5


class NumericalError(SigsepError, ArithmeticError):
    """An iteration produced a value that is not finite."""


class NotFiniteSpectrumError(NumericalError, ValueError):
    """Coefficients that are given to a method hold NaN or infinity."""


class Interrupted(BaseException):
    """A signal asked this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """128 plus the number of the signal, as shells count."""
        return 128 + self.number


class OutOfMemoryError(SigsepError, MemoryError):
    """What is asked for does not fit into memory, in pieces neither."""

    exit_code = 5
