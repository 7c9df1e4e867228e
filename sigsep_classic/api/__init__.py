"""What most people call: a file or an array in, named stems out."""

from sigsep_classic.api.applying import apply
from sigsep_classic.api.denoising import denoise, with_noise
from sigsep_classic.api.many import separate_many
from sigsep_classic.api.methods import load_examples, make_method, methods_with_examples, taught
from sigsep_classic.api.remixes import remix
from sigsep_classic.api.separating import separate

__all__ = [
    "apply",
    "denoise",
    "load_examples",
    "make_method",
    "methods_with_examples",
    "remix",
    "separate",
    "separate_many",
    "taught",
    "with_noise",
]
