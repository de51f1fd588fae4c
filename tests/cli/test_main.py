"""The net under all commands: whatever happens, one line and an exit code."""

import os
import shlex
import subprocess
import sys

import pytest

from manualnst.cli import main
from manualnst.cli.console import READER_GONE

# Unbuffered, the help would meet the full disk inside argparse, which keeps silent about it.
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}

posix = pytest.mark.skipif(os.name != "posix", reason="streams as on POSIX")


def shell(line):
    """Run `manualnst …` with the redirections of a shell."""
    command = f"{shlex.quote(sys.executable)} -m manualnst {line}"
    return subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=False, env=BUFFERED
    )


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (OSError(5, "Input/output error", "somewhere"), "somewhere: Input/output error"),
        (OSError("no number"), "no number"),
        (MemoryError(), "out of memory; use a smaller --size"),
    ],
)
def test_what_nobody_else_catches_becomes_one_line(monkeypatch, capsys, trouble, message):
    def fail(args):
        raise trouble

    monkeypatch.setattr("manualnst.cli.weights._list", fail)
    assert main(["weights", "list"]) == 2
    assert capsys.readouterr() == ("", f"manualnst: {message}\n")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (
            "runn photo",
            "manualnst: there is no command runn; did you mean run; see manualnst --help",
        ),
        ("weights lst", "manualnst weights: there is no command lst; did you mean list; see"),
        ("paint", "there is no command paint; there are run, sweep, "),
    ],
)
def test_a_command_that_is_not_there(capsys, typed, told):
    with pytest.raises(SystemExit) as ended:
        main(typed.split())
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_ctrl_c_is_told(monkeypatch, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("manualnst.cli.weights._list", interrupt)
    assert main(["weights", "list"]) == 130
    assert capsys.readouterr() == ("", "manualnst: interrupted\n")


@pytest.mark.parametrize("arguments", [["run", "a\n\x1b[2Jb"], ["weights", "list", "a\n\x1b[2Jb"]])
def test_names_cannot_break_the_line_or_steer_the_terminal(capsys, arguments):
    try:
        code = main(arguments)
    except SystemExit as exit:  # argparse's own refusal
        code = exit.code
    err = capsys.readouterr().err
    assert code == 2
    assert "a??[2Jb" in err and err.count("\n") == 1 and "\x1b" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "a" * 5000],
        ["run", "sample:harbour", "sample:waves", "--weights", "a" * 5000],
        ["weights", "verify", "a" * 5000],
        ["weights", "convert", "builtin", "-o", "a" * 5000],
    ],
)
def test_a_name_that_no_file_can_have_is_refused(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("manualnst: ") and err.count("\n") == 1


@posix
@pytest.mark.parametrize("arguments", [["weights", "list"], ["--help"]])
def test_a_reader_that_is_gone_ends_it_quietly(arguments):
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "manualnst", *arguments]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=BUFFERED) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == READER_GONE


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("line", ["weights list", "--help", "--version"])
def test_a_full_disk_behind_the_output_is_one_line(line):
    done = shell(f"{line} >/dev/full")
    assert done.returncode == 2
    assert done.stderr == "manualnst: No space left on device\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_behind_the_errors_changes_nothing():
    assert shell("weights verify missing 2>/dev/full").returncode == 2


@posix
def test_closed_streams_change_nothing():
    done = shell("weights verify missing 2>&-")
    assert (done.returncode, done.stdout) == (2, "")
    assert shell("weights list 2>&-").stdout.startswith("NAME")
    done = shell("weights list >&-")
    assert (done.returncode, done.stderr) == (0, "")
    assert shell("run --no-such-option 2>&-").returncode == 2
