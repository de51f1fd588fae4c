"""`manualnst check`: the package's own derivatives proven, or somebody's judged."""

import argparse
import json
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..system.files import check_writable_folder, write_atomically
from .console import complain, say
from .outputs import refuse_existing

if TYPE_CHECKING:
    from ..gradcheck.report import Row
    from ..gradcheck.student import StudentFile

_NOT_RIGHT = 1
_MAX_SECONDS, _MAX_MEMORY = 10**6, 10**6
_FORBIDDEN = ("manualnst", "torch", "jax", "tensorflow", "autograd")  # while grading


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "check",
        help="prove the derivatives, or check your own",
        description="Without FILE: prove the package's own derivatives, on every backend and in "
        "both precisions. With FILE: judge the gradients that it defines, and tell what is wrong "
        "with them; it is run in a process of its own, with limits. The exit code is 0 if all are "
        "right, 1 if not, 2 if they could not be judged.",
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="a Python file with gradients")
    parser.add_argument(
        "--template",
        action="store_true",
        help="write FILE, to be filled in (without FILE, to standard output)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAMES",
        help="these equations or functions alone, as E6 or gram_backward,C2",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="also a full-size VGG-19, and how many planted mistakes are caught (minutes)",
    )
    parser.add_argument(
        "--pair",
        nargs=2,
        metavar=("F", "GRADIENT"),
        help="any function of FILE, from an array to a number, and its gradient",
    )
    parser.add_argument(
        "--at",
        metavar="X",
        default="x",
        help="where: an array of FILE, or a function that gives one (default: x); or a shape as "
        "3,5,4, of normal numbers",
    )
    _add_grading_options(parser)
    parser.add_argument("--seed", type=int, help="of the inputs (default: 0; while grading, new)")
    parser.add_argument("--json", action="store_true", help="all that was found, as JSON")
    parser.add_argument(
        "--plot",
        metavar="PICTURE",
        help="draw the oracles' errors against their step; with FILE, what the loss has beside the "
        "slope of its gradients",
    )
    parser.set_defaults(handler=_check)


def _add_grading_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--grade",
        metavar="RESULTS",
        help="write scores for Gradescope, as JSON; nothing of the right gradients is told",
    )
    parser.add_argument(
        "--no-hints", action="store_true", help="in RESULTS, tell only which are wrong"
    )
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="for each function of FILE (default: 10)"
    )
    parser.add_argument(
        "--memory", type=int, default=2048, metavar="MB", help="for FILE (default: 2048)"
    )


def _check(args: argparse.Namespace) -> int:
    _refuse_what_does_not_go_together(args)
    if args.template:
        return _write_template(args)
    if args.plot:
        return _plot(args)
    if args.file is None:
        return _prove(args)
    if args.grade:
        return _grade(args)
    return _judge_pair(args) if args.pair else _judge(args)


def _refuse_what_does_not_go_together(args) -> None:
    for option in ("pair", "grade"):
        if args.file is None and getattr(args, option):
            raise InputError(f"--{option} needs a FILE: manualnst check mine.py --{option} …")
    if args.file is not None and args.full:
        raise InputError("--full is of the package's own derivatives; leave out the FILE")
    if args.plot and (args.pair or args.grade):
        raise InputError("--plot is of the exercises; leave out --pair and --grade")
    if args.grade and (args.pair or args.json):
        raise InputError(
            "--grade is of the exercises, and writes JSON; leave out --pair and --json"
        )
    if args.no_hints and not args.grade:
        raise InputError("--no-hints is for --grade RESULTS")
    if args.seed is not None and args.seed < 0:
        raise InputError(f"--seed {args.seed}: must be 0 or larger")
    if not 0 < args.seconds <= _MAX_SECONDS or not 0 < args.memory <= _MAX_MEMORY:
        raise InputError(
            f"--seconds must be larger than 0 and at most {_MAX_SECONDS}, --memory at most "
            f"{_MAX_MEMORY} MB"
        )


def _write_template(args) -> int:
    from ..gradcheck.template import template

    subjects = _sheet(args)
    if args.file is None:
        for line in template("mine.py", subjects).splitlines():
            say(line)
        return 0
    refuse_existing(args.file, args.overwrite)
    text = template(Path(args.file).name, subjects)
    write_atomically(args.file, lambda path: path.write_text(text, encoding="utf-8"))
    say(f"{args.file}: fill in what you like, then: python -m manualnst check {args.file}")
    return 0


def _plot(args) -> int:
    from ..gradcheck.steps import draw_error_by_step
    from ..pictures.saving import check_output_suffix, save_picture

    check_output_suffix(args.plot)
    refuse_existing(args.plot, args.overwrite)
    drawn = draw_error_by_step() if args.file is None else _plot_of_file(args)
    save_picture(args.plot, drawn)
    say(args.plot)
    return 0


def _plot_of_file(args):
    """The picture that --plot asks for, of the gradients of FILE."""
    from ..gradcheck.exam import answers_to
    from ..gradcheck.steps import draw_remainders
    from ..gradcheck.subjects import EXERCISES

    names = [subject.name for subject in _chosen(args.only, EXERCISES.values())]
    answers = list(answers_to(_open(args), names, args.seed or 0))
    if not answers:
        raise InputError(f"{args.file} has no function of the exercises that gives a gradient")
    return draw_remainders(answers)


# The package's own.


def _prove(args) -> int:
    from ..gradcheck.rounding import TOLERANCES
    from ..gradcheck.show import ROW_HEADING
    from ..gradcheck.side_by_side import prove_all
    from ..gradcheck.subjects import FULL_VGG, SUBJECTS

    start = time.monotonic()
    subjects = _chosen(args.only, SUBJECTS + (FULL_VGG if args.full else ()))
    rows = []
    _tell(args, ROW_HEADING)
    told = None
    for subject, row in prove_all(subjects):
        if subject is not told:
            _tell(args, f"[{subject.identifier}] {subject.name}: {subject.formula}")
            told = subject
        rows.append(row)
        _tell_row(args, row)
    sources = {c.tolerance_from for row in rows for c in row.comparisons}
    for source in filter(sources.__contains__, TOLERANCES):
        _tell(args, f"tolerance from {source}: {TOLERANCES[source]}")
    power = _measure_power(args) if args.full else None
    return _finish(args, rows, time.monotonic() - start, power)


def _sheet(args) -> list:
    """The exercises of the course; or those that are asked for, of all that there are."""
    from ..gradcheck.subjects import COURSE, EXERCISES

    return _chosen(args.only, (EXERCISES if args.only else COURSE).values())


def _chosen(only: list[str] | None, subjects) -> list:
    """The subjects of these names or identifiers; all of them without any."""
    if not only:
        return list(subjects)
    names = [name for names in only for name in names.split(",")]
    known = {key for subject in subjects for key in (subject.name, subject.identifier)}
    for name in names:
        if name not in known:
            raise InputError(f"--only {name}: unknown; there are {', '.join(sorted(known))}")
    return [s for s in subjects if s.name in names or s.identifier in names]


def _tell(args, line: str) -> None:
    if not args.json:
        say(line)


def _tell_row(args, row: "Row") -> None:
    from ..gradcheck.show import row_as_text

    _tell(args, row_as_text(row))


def _measure_power(args) -> dict:
    from ..gradcheck.power import measure_power
    from ..gradcheck.subjects import EXERCISES

    power = measure_power(_chosen(args.only, EXERCISES.values()))
    _tell(
        args,
        f"planted mistakes: caught {power.caught} of {power.planted}, diagnosed by name "
        f"{power.diagnosed} of {power.planted}",
    )
    return power._asdict()


def _finish(args, rows: list["Row"], seconds: float, power: dict | None = None) -> int:
    """The summary, and the exit code."""
    from ..gradcheck.report import Verdict, worst_of

    judged = [row.verdict for row in rows if row.verdict != Verdict.MISSING]
    right = judged.count(Verdict.PASS)
    verdict = worst_of(judged)
    if args.json:
        found = {"verdict": verdict, "seconds": seconds, "rows": [row.as_json() for row in rows]}
        say(json.dumps(found | ({"power": power} if power else {}), default=float))
    else:
        say(f"{right} of {len(judged)} right ({seconds:.1f} s)")
    all_caught = power is None or power["caught"] == power["planted"]
    return 0 if verdict == Verdict.PASS and all_caught else _NOT_RIGHT


# Somebody's.


def _open(args, *, grading: bool = False) -> "StudentFile":
    from ..gradcheck.student import Limits, StudentFile

    limits = Limits(args.seconds, args.memory << 20)
    forbidden = _FORBIDDEN if grading else ()
    return StudentFile(args.file, limits, forbidden=forbidden, prints=not grading)


def _judge(args) -> int:
    from ..gradcheck.exam import examine, misspelt
    from ..gradcheck.subjects import EXERCISES

    start = time.monotonic()
    file = _open(args)
    subjects = _chosen(args.only, EXERCISES.values())
    rows = []
    for row in examine(file, [subject.name for subject in subjects], args.seed or 0):
        rows.append(row)
        _tell_student(args, row)
    for line in misspelt(file):
        complain(f"{args.file}: {line}")
    if not rows:
        wanted = ", ".join(subject.name for subject in _sheet(args))
        raise InputError(
            f"{args.file} has none of the functions {wanted}; `manualnst check FILE --template` "
            "writes a file to start from, and --pair F GRADIENT checks any other"
        )
    return _finish(args, rows, time.monotonic() - start)


def _tell_student(args, row: "Row") -> None:
    from ..gradcheck.show import entry_as_text

    [comparison] = row.comparisons
    words = row.words or comparison.note
    _tell(
        args, f"{row.verdict:<12} {row.name} [{row.identifier}]" + (f": {words}" if words else "")
    )
    if comparison.worst and comparison.worst.excess > 1:
        _tell(args, f"{'':<12} worst {entry_as_text(comparison.worst)}")


def _judge_pair(args) -> int:
    from ..gradcheck.exam import examine_pair

    report = examine_pair(_open(args), *args.pair, args.at, args.seed or 0)
    if args.json:
        say(json.dumps(report.row.as_json(), default=float))
    else:
        for line in str(report).splitlines():
            say(line)
    return 0 if report else _NOT_RIGHT


def _grade(args) -> int:
    from ..gradcheck.exam import examine, misspelt
    from ..gradcheck.grading import failure_of_all, grade

    start = time.monotonic()
    check_writable_folder(args.grade)
    if not Path(args.file).is_file():
        raise InputError(f"{args.file}: there is no such file")
    if Path(args.grade).resolve() == Path(args.file).resolve():
        raise InputError(f"--grade {args.grade} would replace the file that is to be graded")
    names = [subject.name for subject in _sheet(args)]
    seed = secrets.randbits(32) if args.seed is None else args.seed
    hints = not args.no_hints
    try:
        file = _open(args, grading=True)
        rows = list(examine(file, names, seed))
        seconds = time.monotonic() - start
        results = grade(rows, names, misspelt(file), hints=hints, seconds=seconds, seed=seed)
    except InputError as error:  # handed in, but it cannot be run: that is a result too
        results = failure_of_all(names, str(error))
    write_atomically(args.grade, lambda path: path.write_text(json.dumps(results, indent=1)))
    say(f"{args.grade}: {results['output']}")
    return 0
