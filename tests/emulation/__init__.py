"""CUDA text compiled as C++ and run on the CPU: the test suite's stand-in for a GPU."""
