import os
import stat
import subprocess
import sys

import pytest

from manualnst.errors import InputError
from manualnst.system.files import check_writable_folder, read_bytes, write_atomically


def text(content):
    return lambda path: path.write_text(content)


def refusal(path):
    """What `path` is refused for, by the check in advance and by the writing alike."""
    messages = []
    for call in (check_writable_folder, lambda path: write_atomically(path, text("new"))):
        with pytest.raises(InputError) as caught:
            call(path)
        messages.append(str(caught.value))
    assert messages[0] == messages[1] and "\n" not in messages[0]
    return messages[0]


def test_a_file_within_its_limit_is_read(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == read_bytes(str(path), 6) == b"12345"
    with pytest.raises(InputError, match="cannot read .*a: it has more than 4 bytes"):
        read_bytes(path, 4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "No such file"),
        (".", "it is a folder"),
        ("a" * 5000, "too long"),
        ("a\0b", "null"),
    ],
)
def test_what_is_no_file_is_not_read(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"(?s)cannot read .*{message}"):
        read_bytes(name, 10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipes_and_devices_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(InputError, match="device or pipe"):
            read_bytes(path, 10)


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="no /proc here")
def test_the_limit_holds_where_the_stated_size_does_not():
    assert os.stat("/proc/self/maps").st_size == 0
    with pytest.raises(InputError, match="more than 10 bytes"):
        read_bytes("/proc/self/maps", 10)


@pytest.mark.parametrize("call", ["stat", "open"])
def test_a_file_that_may_not_be_read_is_told(tmp_path, monkeypatch, call):
    (tmp_path / "a").write_bytes(b"1")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.stat" if call == "stat" else "builtins.open", refuse)
    with pytest.raises(InputError, match="cannot read .*a: Permission denied"):
        read_bytes(tmp_path / "a", 10)


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.txt"
    write_atomically(path, text("old"))
    write_atomically(str(path), text("new"))
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_alone_is_written_into_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomically("a.txt", text("new"))
    assert (tmp_path / "a.txt").read_text() == "new"


def test_the_temporary_file_lies_beside_with_the_same_suffix(tmp_path):
    seen = []

    def write(path):
        seen.append(path)
        path.write_text("new")

    write_atomically(tmp_path / "a.png", write)
    assert seen[0].parent == tmp_path and seen[0].suffix == ".png" and seen[0].name != "a.png"


@pytest.mark.parametrize(
    "trouble", [OSError(28, "No space left"), KeyboardInterrupt(), ValueError()]
)
def test_whatever_goes_wrong_the_old_file_stays(tmp_path, trouble):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(temporary):
        temporary.write_text("half of the n")
        raise trouble

    with pytest.raises(InputError if isinstance(trouble, OSError) else type(trouble)):
        write_atomically(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_in_one_line(tmp_path):
    def write(_):
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="cannot write .*a.txt: No space left on device"):
        write_atomically(tmp_path / "a.txt", write)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_the_file_has_the_usual_mode(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a.txt", text("new"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


@pytest.mark.skipif(os.name != "posix", reason="only there it is known who lives")
def test_what_a_killed_write_left_is_removed_by_the_next(tmp_path):
    program = """
import os, sys
from manualnst.system.files import write_atomically
write_atomically(sys.argv[1], lambda temporary: os.kill(os.getpid(), 9))
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.png")])
    [left] = tmp_path.iterdir()
    of_another_machine = left.with_name(left.name.replace("manualnst-", "manualnst-0"))
    of_the_living = left.with_name(left.name.replace(left.name.split("-")[2], str(os.getppid())))
    for other in (of_another_machine, of_the_living):
        other.touch()
    write_atomically(tmp_path / "a.png", text("new"))
    assert {*tmp_path.iterdir()} == {tmp_path / "a.png", of_another_machine, of_the_living}


def test_a_long_name_that_is_still_allowed(tmp_path):
    path = tmp_path / ("a" * 250 + ".txt")
    write_atomically(path, text("new"))
    assert path.read_text() == "new"


def test_what_cannot_be_written_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert "does not exist" in refusal(tmp_path / "missing" / "a.txt")
    assert "not a folder" in refusal(tmp_path / "file" / "a.txt")
    assert "it is a folder" in refusal(tmp_path)
    assert "a" * 300 in refusal(tmp_path / ("a" * 300))
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    assert "no permission" in refusal(tmp_path / "a.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_device_or_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "device or pipe" in refusal(tmp_path / "pipe")
    assert not (tmp_path / "pipe").is_file()
