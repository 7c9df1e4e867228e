"""Recordings of any length in the memory there is: in blocks, as a stream, from a sample, or in chunks that are joined.

`planning` says which for a method; `arrays` and `files` do it, and `running` does it again with less at a time where
memory runs out.
"""

from sigsep_classic.streaming.arrays import separate_blocks, separate_long
from sigsep_classic.streaming.files import separate_file

__all__ = ["separate_blocks", "separate_file", "separate_long"]
