import ctypes
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from manualnst.system import machine
from manualnst.system.machine import (
    available_memory,
    format_bytes,
    format_duration,
    peak_memory,
    versions,
)
from manualnst.version import __version__

MIB = 2**20
UNLIMITED_V1 = 9223372036854771712


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Writes files of a made-up /proc and /sys/fs/cgroup, and has no resource limits."""
    monkeypatch.setattr(machine, "PROC", tmp_path / "proc")
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "cgroup")
    if machine.resource is not None:
        monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (-1, -1))

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(text))

    return write


def meminfo(mebibytes):
    return f"MemTotal: 99999999 kB\nMemFree: 1 kB\nMemAvailable:   {mebibytes * 1024} kB\n"


def test_what_the_system_says(system):
    system({"proc/meminfo": meminfo(5000)})
    assert available_memory() == 5000 * MIB


def test_a_version_2_cgroup(system):
    system(
        {
            "proc/meminfo": meminfo(5000),
            "proc/self/cgroup": "0::/user/run\n",
            "cgroup/user/run/memory.max": f"{1000 * MIB}\n",
            "cgroup/user/run/memory.current": f"{700 * MIB}\n",
        }
    )
    assert available_memory() == 300 * MIB
    # Cached files give way, wherever they stand in the kernel's list.
    statistics = f"anon 1\nactive_file {20 * MIB}\nfile 77\ninactive_file {30 * MIB}\n"
    system({"cgroup/user/run/memory.stat": statistics})
    assert available_memory() == 350 * MIB


def test_a_version_1_cgroup(system):
    system(
        {
            "proc/meminfo": meminfo(5000),
            "proc/self/cgroup": "9:cpu,memory:/run\n8:memoryless:/other\n0::/\n",
            "cgroup/memory/run/memory.limit_in_bytes": 1000 * MIB,
            "cgroup/memory/run/memory.usage_in_bytes": 700 * MIB,
            "cgroup/memory/run/memory.stat": f"active_file 9\ntotal_active_file {MIB}\n",
            "cgroup/memory/other/memory.limit_in_bytes": 2 * MIB,  # of no concern
            "cgroup/memory/other/memory.usage_in_bytes": MIB,
            "cgroup/memory/memory.limit_in_bytes": UNLIMITED_V1,
            "cgroup/memory/memory.usage_in_bytes": 900 * MIB,
        }
    )
    assert available_memory() == 301 * MIB


def test_the_limits_of_outer_groups_hold_too(system):
    system(
        {
            "proc/meminfo": meminfo(5000),
            "proc/self/cgroup": "0::/outer/inner\n",
            "cgroup/outer/inner/memory.max": "max\n",
            "cgroup/outer/inner/memory.current": 10 * MIB,
            "cgroup/outer/memory.max": 100 * MIB,
            "cgroup/outer/memory.current": 60 * MIB,
            "memory.max": MIB,  # above the root, where it means nothing
            "memory.current": 0,
        }
    )
    assert available_memory() == 40 * MIB


def test_a_container_that_is_told_its_path_outside(system):
    system(
        {
            "proc/meminfo": meminfo(5000),
            "proc/self/cgroup": "0::/docker/0123abc\n",
            "cgroup/memory.max": 100 * MIB,
            "cgroup/memory.current": 60 * MIB,
        }
    )
    assert available_memory() == 40 * MIB


def test_more_used_than_allowed_is_nothing_left(system):
    system(
        {
            "proc/self/cgroup": "0::/\n",
            "cgroup/memory.max": 100 * MIB,
            "cgroup/memory.current": 160 * MIB,
        }
    )
    assert available_memory() == 0


def test_without_meminfo_the_whole_memory_is_the_limit(system, monkeypatch):
    sizes = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(machine.os, "sysconf_names", sizes, raising=False)
    monkeypatch.setattr(machine.os, "sysconf", sizes.__getitem__, raising=False)
    assert available_memory() == 4096000


def test_on_windows(system, monkeypatch):
    def fill(reference):
        status = reference._obj
        assert status.length == 64  # as Windows wants it
        status.available_physical = 123 * MIB
        return 1

    windll = SimpleNamespace(kernel32=SimpleNamespace(GlobalMemoryStatusEx=fill))
    monkeypatch.setattr(ctypes, "windll", windll, raising=False)
    monkeypatch.setattr(machine.sys, "platform", "win32")
    monkeypatch.setattr(machine, "resource", None)
    assert available_memory() == 123 * MIB
    assert peak_memory() is None


def test_unknown_is_none(system, monkeypatch):
    monkeypatch.setattr(machine.os, "sysconf_names", {}, raising=False)
    assert available_memory() is None


@pytest.mark.skipif(sys.platform != "linux", reason="limits are enforced and seen on Linux only")
@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_resource_limits_in_earnest(limit):
    """What is said to be left can be had, and not much more than that."""
    program = (
        "import mmap, resource\n"
        "from manualnst.system.machine import available_memory\n"
        f"resource.setrlimit(resource.{limit}, (2**31, 2**31))\n"
        "room = available_memory()\n"
        "assert 2**29 < room < 2**31, room\n"
        "flags = {'flags': mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}\n"
        "mmap.mmap(-1, room - 2**24, **flags).close()\n"
        "try:\n"
        "    mmap.mmap(-1, room + 2**24, **flags)\n"
        "except OSError:\n"
        "    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("refused\n", "")


def test_on_this_machine():
    available, peak = available_memory(), peak_memory()
    assert available is None or 0 < available < 2**50
    assert peak is None or 2**23 < peak < 2**40  # NumPy alone takes more than 8 MiB


def test_the_peak_grows_with_what_is_taken():
    before = peak_memory()
    if before is None:
        pytest.skip("unknown on this system")
    taken = np.ones(before + 32 * MIB, np.uint8)
    assert peak_memory() >= before + 16 * MIB
    del taken
    assert peak_memory() >= before + 16 * MIB


@pytest.mark.skipif(machine.resource is None, reason="there is no getrusage")
@pytest.mark.parametrize(("platform", "factor"), [("linux", 1024), ("darwin", 1)])
def test_the_units_of_getrusage(system, monkeypatch, platform, factor):
    usage = SimpleNamespace(ru_maxrss=5)
    monkeypatch.setattr(machine.resource, "getrusage", lambda _: usage)
    monkeypatch.setattr(machine.sys, "platform", platform)
    assert peak_memory() == 5 * factor


def test_versions():
    found = versions()
    assert found["manualnst"] == __version__
    assert found["numpy"] == np.__version__
    assert found["python"] == sys.version.split()[0]
    assert set(found) >= {"scipy", "pillow", "h5py", "blas", "platform"}
    assert all(isinstance(value, str) and value for value in found.values())


def test_a_version_that_cannot_be_found_is_unknown(monkeypatch):
    monkeypatch.setattr(np, "show_config", lambda mode: {})
    assert versions()["blas"] == "unknown"
    assert machine._package_version("no-such-package-at-all") == "unknown"


# Numbers in words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (340e6, "340 MB"),
        (5e15, "5000 TB"),
    ],
)
def test_format_bytes(count, words):
    assert format_bytes(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (4.23, "4.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h"),
        (7500, "2 h 5 min"),
        (100_000, "27 h 47 min"),
    ],
)
def test_format_duration(seconds, words):
    assert format_duration(seconds) == words
