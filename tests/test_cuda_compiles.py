"""Every ``.cu`` file compiles to machine code for three generations of GPU, on a machine that has none.

NVRTC (the compiler CuPy calls) comes as a wheel and needs no driver. Its ``ptxas`` log says what a GPU would
only show as slowness: registers spilled to memory.
"""

from __future__ import annotations

import functools
import importlib
import re
from dataclasses import dataclass
from typing import Any

import pytest

from sigsep_classic.kernels import cuda

ARCHITECTURES = (75, 80, 90)
COMMONEST = 80
# Constant sets whose working set is larger than the registers.
MAY_SPILL = {("sliding_median", "SIZE=201")}
# Operations whose float build computes in double on purpose.
MAY_USE_DOUBLE = {
    "beta_divergence",
    "convolutive_stacks",
    "fast_mnmf",
    "low_rank_sweep",
    "fdica",
    "score_moments",
    "demixing",
    "demixing_rules",
    "demixing_ipa",
    "online_demixing",
    "online_prediction",
    "wiener",
}
# Operations of many kernels, seconds each.
TAKE_LONG = {"demixing", "demixing_rules", "demixing_ipa", "online_demixing", "fdica"}


@dataclass(frozen=True)
class Compiled:
    """What NVRTC made of one text."""

    log: str
    ptx: str
    cubin: bytes


@functools.cache
def load_nvrtc() -> tuple[Any, str]:
    """Return the NVRTC bindings, or None, and why they can't be used."""
    try:
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()  # the library itself is looked for here
    except Exception as error:
        return None, f"{type(error).__name__}: {error}".splitlines()[0]
    return nvrtc, ""


@pytest.fixture
def nvrtc() -> Any:
    bindings, reason = load_nvrtc()
    if bindings is None:
        pytest.skip(f"NVRTC cannot be used ({reason}); pip install cuda-bindings nvidia-cuda-nvrtc")
    return bindings


def _fetch(nvrtc: Any, program: Any, what: str) -> bytes:
    status, size = getattr(nvrtc, f"nvrtcGet{what}Size")(program)
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS
    data = b" " * size
    getattr(nvrtc, f"nvrtcGet{what}")(program, data)
    return data


def compile_text(nvrtc: Any, text: str, options: tuple[str, ...], arch: int) -> Compiled:
    """Compile ``text`` as CuPy would for one architecture, failing with the compiler's words."""
    success = nvrtc.nvrtcResult.NVRTC_SUCCESS
    flags = [o.encode() for o in ("-std=c++17", *options, f"-arch=sm_{arch}", "--ptxas-options=-v")]
    status, program = nvrtc.nvrtcCreateProgram(text.encode(), b"source.cu", 0, None, None)
    assert status == success
    try:
        (status,) = nvrtc.nvrtcCompileProgram(program, len(flags), flags)
        log = _fetch(nvrtc, program, "ProgramLog").decode().rstrip("\0 \n")
        assert status == success, f"{status}:\n{log}"
        ptx = _fetch(nvrtc, program, "PTX").decode()
        return Compiled(log, ptx, _fetch(nvrtc, program, "CUBIN"))
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def spilled_bytes(log: str) -> dict[str, int]:
    """Return, per function, how many bytes of registers ptxas says it stores to memory and loads back."""
    found = re.findall(r"Function properties for (\w+)\n[^\n]*?(\d+) bytes spill stores, (\d+) bytes", log)
    return {name: int(stores) + int(loads) for name, stores, loads in found}


def kernel_names(text: str) -> set[str]:
    """Return the names of the ``__global__`` functions in a CUDA text."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
    bounds = r"(?:__launch_bounds__\s*\([^()]*\)\s*)?"
    return set(re.findall(rf"__global__\s+{bounds}void\s+{bounds}(\w+)", text))


def builds() -> list[Any]:
    """Return what is built: each operation with each constant set its module names for one generation of GPU.

    With the first of its sets it is built for the other generations too; what takes seconds, in double precision
    alone, which needs more registers.
    """
    found = []
    for op in cuda.sources():
        module = importlib.import_module(f"sigsep_classic.kernels.{op}")
        for number, constants in enumerate(getattr(module, "CUDA_CONSTANTS", ({},))):
            label = ",".join(f"{k}={v}" for k, v in sorted(constants.items()))
            for arch in (COMMONEST,) if number else ARCHITECTURES:
                marks = pytest.mark.slow if op in TAKE_LONG or arch != COMMONEST else ()
                for real in ("float64",) if arch != COMMONEST and op in TAKE_LONG else sorted(cuda.REALS):
                    name = f"{op}-{label or 'plain'}-{arch}-{real}"
                    found.append(pytest.param(op, constants, label, arch, real, id=name, marks=marks))
    return found


@pytest.mark.parametrize(("op", "constants", "label", "arch", "real"), builds())
def test_every_source_compiles_without_warnings_or_spills(nvrtc, op, constants, label, arch, real):
    if arch not in nvrtc.nvrtcGetSupportedArchs()[1]:
        pytest.skip(f"this NVRTC no longer compiles for sm_{arch}")
    names = kernel_names(cuda.source(op))
    made = compile_text(nvrtc, cuda.source(op), cuda.defines(real, constants), arch)
    assert names
    assert {name for name in names if f".entry {name}(" in made.ptx} == names
    assert {name for name in names if f".text.{name}\0".encode() in made.cubin} == names
    assert re.findall(r"(?i)^.*\b(?:warning|error)\b.*$", made.log, flags=re.MULTILINE) == []
    spilled = spilled_bytes(made.log)
    assert names <= spilled.keys()
    if (op, label) not in MAY_SPILL:
        assert {name: n for name, n in spilled.items() if n} == {}
    if real == "float32" and op not in MAY_USE_DOUBLE:
        assert re.findall(r"^.*\.f64\b.*$", made.ptx, flags=re.MULTILINE) == []


def compile_kernel(nvrtc: Any, body: str, parameters: str = "real* x, int n") -> Compiled:
    text = (cuda.FOLDER / "common.cuh").read_text() + f'extern "C" __global__ void k({parameters}) {{{body}}}'
    return compile_text(nvrtc, text, cuda.defines("float32", {}), ARCHITECTURES[-1])


def test_a_wrong_text_fails_with_the_compilers_words(nvrtc):
    with pytest.raises(AssertionError, match='"undeclared_name" is undefined'):
        compile_kernel(nvrtc, "x[n] = undeclared_name;")


def test_more_static_shared_memory_than_a_block_has_fails(nvrtc):
    body = "SHARED_ARRAY(real, held, {}); held[n] = x[n]; __syncthreads(); x[0] = held[threadIdx.x];"
    assert spilled_bytes(compile_kernel(nvrtc, body.format(48 * 256)).log) == {"k": 0}
    with pytest.raises(AssertionError, match="NVRTC_ERROR"):
        compile_kernel(nvrtc, body.format(48 * 256 + 1))


def test_a_spill_and_double_arithmetic_are_seen(nvrtc):
    body = """
      real a[300];
      _Pragma("unroll") for (int i = 0; i < 300; i++) a[i] = x[i + threadIdx.x];
      for (int j = 0; j < n; j++)
        _Pragma("unroll") for (int i = 0; i < 300; i++) a[i] = a[i] * a[(i + 7) % 300] + 0.1 * j;
      _Pragma("unroll") for (int i = 0; i < 300; i++) x[i * n + threadIdx.x] = a[i];"""
    made = compile_kernel(nvrtc, body)
    assert ".f64" in made.ptx
    assert spilled_bytes(made.log)["k"] > 0
