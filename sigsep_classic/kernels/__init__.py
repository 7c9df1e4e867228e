"""Hot operations: each a public function with a numba twin (``_cpu``), a CUDA twin (``_gpu``) and a NumPy line.

A kernel is named after the operation, not the method that uses it. Files: ``op.py`` and ``op.cu``.
"""
