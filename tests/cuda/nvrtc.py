"""NVIDIA's run-time compiler, which needs neither card nor driver, by ctypes.

CuPy's own binding compiles in the same way, but loads a module only where there is a driver.
"""

import ctypes
import ctypes.util
from importlib.util import find_spec
from pathlib import Path


def find() -> ctypes.CDLL | None:
    """The library: of the package nvidia-cuda-nvrtc (or its -cu12), or the system's."""
    spec = find_spec("nvidia")
    folders = [Path(folder) for folder in spec.submodule_search_locations] if spec else []
    found = [p for folder in folders for p in sorted(folder.glob("*/lib/libnvrtc.so.*"))]
    system = ctypes.util.find_library("nvrtc")
    for path in [*found, *([system] if system else [])]:
        try:
            # It opens its other half by name alone, which is found if it is loaded already.
            for other in sorted(Path(path).parent.glob("libnvrtc-builtins.so.*")):
                ctypes.CDLL(str(other), mode=ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(str(path))
        except OSError:
            continue
    return None


def compile_for(nvrtc: ctypes.CDLL, text: str, options: tuple[str, ...]) -> bytes:
    """The machine code; AssertionError with the compiler's words."""
    program = ctypes.c_void_p()
    created = nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), text.encode(), b"kernels.cu", 0, None, None
    )
    assert created == 0
    flags = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = nvrtc.nvrtcCompileProgram(program, len(options), flags)
    log = _read(nvrtc, "ProgramLog", program)
    assert not failed, log.decode()[:4000]
    code = _read(nvrtc, "CUBIN", program)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return code


def _read(nvrtc: ctypes.CDLL, what: str, program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{what}")(program, buffer)
    return buffer.raw
