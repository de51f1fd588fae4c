"""What is known about the machine: memory and versions, and numbers in words.

Nothing here is needed for a picture. What cannot be found out is None, never an error.
"""

import ctypes
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..version import __version__
from . import blas as blas_library

try:
    import resource
except ImportError:  # Windows
    resource = None

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")


def available_memory() -> int | None:
    """Bytes that this process may still take: the smallest of all that limits it."""
    rooms = [*_system_room(), *_cgroup_rooms(), *_resource_limit_rooms()]
    return max(0, min(rooms)) if rooms else None


def peak_memory() -> int | None:
    """The most bytes of memory that this process has had so far."""
    if (peak := _status_bytes("VmHWM")) is not None:  # getrusage counts what exec'ed us as well
        return peak
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def versions() -> dict[str, str]:
    """What a result may depend on, for the record of a run."""
    packages = {name: _package_version(name) for name in ("numpy", "scipy", "pillow", "h5py")}
    return {
        "manualnst": __version__,
        "python": platform.python_version(),
        **packages,
        "blas": _blas(),
        "platform": platform.platform(),
    }


def format_bytes(count: float) -> str:
    """1234567890 → "1.2 GB"."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if count >= 9.95 or unit == "B" else f"{count:.1f} {unit}"


def format_duration(seconds: float) -> str:
    """200 → "3 min 20 s": the two largest units."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 3599.5:
        minutes, rest = divmod(round(seconds), 60)
        large, small = f"{minutes} min", f"{rest} s"
    else:
        hours, rest = divmod(round(seconds / 60), 60)
        large, small = f"{hours} h", f"{rest} min"
    return " ".join(part for part in (large, small) if not part.startswith("0 "))


def format_roughly(seconds: float) -> str:
    """A forecast: 232 → "4 min"; no more digits than can be foretold."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    steps = ((60, 5), (300, 15), (1200, 60), (7200, 300), (float("inf"), 1800))
    step = next(step for limit, step in steps if seconds < limit)
    return format_duration(step * round(seconds / step))


def _system_room() -> Iterator[int]:
    """What the operating system can give without swapping."""
    room = _field_bytes(PROC / "meminfo", "MemAvailable")
    if room is not None:
        yield room
    elif sys.platform == "win32":
        yield from _windows_room()
    elif "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        # macOS tells no simple number of what is free; the whole is a limit at any rate.
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class _MemoryStatusEx(ctypes.Structure):
    """Windows' MEMORYSTATUSEX."""

    _fields_ = [
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total_physical", ctypes.c_uint64),
        ("available_physical", ctypes.c_uint64),
        ("total_page_file", ctypes.c_uint64),
        ("available_page_file", ctypes.c_uint64),
        ("total_virtual", ctypes.c_uint64),
        ("available_virtual", ctypes.c_uint64),
        ("available_extended_virtual", ctypes.c_uint64),
    ]


def _windows_room() -> Iterator[int]:
    status = _MemoryStatusEx(length=ctypes.sizeof(_MemoryStatusEx))
    if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        yield status.available_physical


def _cgroup_rooms() -> Iterator[int]:
    """What the control groups of a container or a service leave, of version 1 and of 2."""
    for line in _read(PROC / "self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            names = "memory.max", "memory.current", ("active_file", "inactive_file")
            yield from _rooms_up_from(CGROUPS, path, *names)
        elif "memory" in controllers.split(","):
            names = (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                ("total_active_file", "total_inactive_file"),
            )
            yield from _rooms_up_from(CGROUPS / "memory", path, *names)


def _rooms_up_from(
    root: Path, path: str, limit: str, usage: str, cached: tuple[str, str]
) -> Iterator[int]:
    """What each group from `path` up to `root` leaves: the limits of all of them hold.

    A container may be told its path outside but see its own group at the root; then only the
    root has files.
    """
    folder = root / path.lstrip("/")
    for group in (folder, *folder.parents):
        if not group.is_relative_to(root):
            return
        try:
            room = int(_read(group / limit)) - int(_read(group / usage))
        except ValueError:  # "max", that is, no limit; or no such file
            continue
        # Cached files count as usage, but give way.
        yield room + sum(_field_bytes(group / "memory.stat", name) or 0 for name in cached)


def _resource_limit_rooms() -> Iterator[int]:
    """What `ulimit -v` and `ulimit -d` leave."""
    if resource is None:
        return
    for limit, used in [
        (resource.getrlimit(resource.RLIMIT_AS)[0], _status_bytes("VmSize")),
        (resource.getrlimit(resource.RLIMIT_DATA)[0], _status_bytes("VmData")),
    ]:
        if limit != resource.RLIM_INFINITY and used is not None:
            yield limit - used


def _status_bytes(name: str) -> int | None:
    return _field_bytes(PROC / "self/status", name)


def _field_bytes(path: Path, name: str) -> int | None:
    """The number from a line such as "MemAvailable:  123 kB" or "active_file 125952"."""
    for line in _read(path).splitlines():
        words = line.replace(":", " ").split()
        if len(words) >= 2 and words[0] == name and words[1].isdecimal():
            return int(words[1]) * (1024 if words[2:] == ["kB"] else 1)
    return None


def _read(path: Path) -> str:
    """The text of a system file; empty when there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _package_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _blas() -> str:
    """The library behind NumPy's matrix products, and what it takes the processor for."""
    try:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        built = f"{blas['name']} {blas['version']}"
    except KeyError:
        return "unknown"
    chosen = blas_library.architecture()
    return f"{built}, {chosen} kernels" if chosen else built
