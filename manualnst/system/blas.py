"""Which of its kernels OpenBLAS has chosen, and whether the processor can do better.

NumPy's and SciPy's packages carry OpenBLAS, which looks at the processor once, when it is loaded.
Of one that it does not know it takes the kernels of an older one: on an AMD Zen 5 those for AVX2,
at half the speed of those for AVX-512. Apple's Accelerate and Intel's MKL choose for themselves.
"""

import os
from functools import cache
from pathlib import Path

from .notice import Notice

VARIABLE = "OPENBLAS_CORETYPE"
PROCESSOR = Path("/proc/cpuinfo")
_AVX512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
_AVX512_KERNELS = {"skylakex", "cooperlake", "sapphirerapids"}


def choose_kernels() -> None:
    """Before NumPy is loaded: tell OpenBLAS what an AMD processor can do, unless someone has."""
    vendor, better = _processor()
    if better and vendor == "AuthenticAMD":
        os.environ.setdefault(VARIABLE, better)


def architecture() -> str | None:
    """The processor that the loaded OpenBLAS has its kernels for; None for another library."""
    from threadpoolctl import threadpool_info  # here: it looks for what is loaded by then

    found = (info.get("architecture") for info in threadpool_info() if info["user_api"] == "blas")
    return next(found, None)


def advice() -> Notice | None:
    """What to do if the loaded OpenBLAS could be faster on this processor."""
    better, chosen = _processor()[1], architecture()
    if not better or chosen is None or chosen.lower() in _AVX512_KERNELS:
        return None
    return Notice(
        "BLAS",
        f"OpenBLAS has chosen its {chosen} kernels, but the processor has AVX-512; with "
        f"{VARIABLE}={better} in the environment, set before Python starts, matrix products may "
        "be twice as fast",
    )


@cache
def _processor() -> tuple[str, str | None]:
    """(vendor, the kernels for its AVX-512 if it has that); only Linux tells."""
    try:
        lines = PROCESSOR.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return "", None
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    flags = set(facts.get("flags", "").split())
    better = "Cooperlake" if "avx512_bf16" in flags else "SkylakeX"
    return facts.get("vendor_id", ""), better if flags >= _AVX512 else None
