"""The queue: whose turn it is, and what outlives the process."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from json import dumps, loads

import numpy as np
import pytest

import manualnst
from manualnst.errors import InputError
from manualnst.pictures.images import load_picture
from manualnst.web import jobs
from manualnst.web.jobs import DONE, QUEUED, RUNNING, Studio, thinned
from manualnst.web.store import Store

SMALL = {"size": 40, "steps": 3, "scales": 1, "weights": "builtin"}
ASKED = {"content": "sample:harbour", "styles": ["sample:waves"], "settings": SMALL}


def test_askers_are_served_in_turn(tmp_path):
    studio = Studio(Store(tmp_path))
    order = [studio.add(ASKED | {"asker": asker}) for asker in "aaabb"]
    served = [studio._next() for _ in range(5)]
    assert [job.asked["asker"] for job in served] == list("ababa")
    assert served[0] is order[0] and served[1] is order[3]


def test_the_queue_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "MAX_QUEUED", 2)
    studio = Studio(Store(tmp_path))
    studio.add(ASKED)
    studio.add(ASKED)
    with pytest.raises(InputError, match="waiting already"):
        studio.add(ASKED)


def test_jobs_outlive_their_process(tmp_path):
    first = Studio(Store(tmp_path))
    waiting, begun = first.add(ASKED), first.add(ASKED)
    first._become(begun, RUNNING)
    (tmp_path / "jobs" / "0123456789abcdef").mkdir()  # made, and then the process was killed
    (tmp_path / "jobs" / waiting.id / "job.json.tmp").write_text("{")
    second = Studio(Store(tmp_path))
    assert {job.id: job.state for job in second.jobs.values()} == {
        waiting.id: QUEUED,
        begun.id: QUEUED,
    }
    assert second.jobs[waiting.id].asked == {"label": "sample:harbour in sample:waves"} | ASKED


def test_a_file_that_is_no_job_is_left_alone(tmp_path):
    store = Store(tmp_path)
    job = store.new_job()
    for text in ("{", "[]", '{"state": "odd", "asked": {}}', '{"colour": 3}'):
        (tmp_path / "jobs" / job / "job.json").write_text(text)
        assert Studio(Store(tmp_path)).jobs == {}


def test_a_failure_is_told_and_does_not_end_the_others(tmp_path, monkeypatch):
    studio = Studio(Store(tmp_path))
    bad, good = studio.add(ASKED), studio.add(ASKED)
    paint = Studio._paint

    def failing(self, job, shared):
        if job is bad:
            raise ValueError("a slip")
        paint(self, job, shared)

    monkeypatch.setattr(Studio, "_paint", failing)
    studio.start()
    wait_for(lambda: good.state == DONE)
    studio.end()
    assert bad.state == "failed" and "a slip" in bad.why


def wait_for(what, seconds=60):
    for _ in range(20 * seconds):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it took too long")


def test_a_job_that_does_not_fit_is_refused_before_work(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "available_memory", lambda: 1000)
    studio = Studio(Store(tmp_path))
    job = studio.add(ASKED)
    studio.start()
    wait_for(lambda: job.state == "failed")
    studio.end()
    assert "ask for a smaller size" in job.why


def test_a_long_curve_is_thinned():
    losses = []
    for step in range(1, 2001):
        losses = thinned([*losses, [step, 1.0]])
    assert 200 <= len(losses) <= 400 and losses[-1][0] == 2000


def serve(folder):
    command = [sys.executable, "-m", "manualnst", "serve", "--port", "0", "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    address = process.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
    return process, address


def fetch(address, path, body=None):
    data = None if body is None else dumps(body).encode()
    request = urllib.request.Request(address + path, data, {"X-Manualnst": "1"})
    with urllib.request.urlopen(request) as answer:
        return loads(answer.read())


@pytest.mark.slow
def test_a_server_that_is_killed_goes_on_where_it_was(tmp_path):
    process, address = serve(tmp_path)
    settings = SMALL | {"steps": 60}
    job = fetch(address, "api/jobs", ASKED | {"settings": settings})["id"]
    wait_for(lambda: fetch(address, f"api/jobs/{job}").get("step", 0) > 25)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process, address = serve(tmp_path)
    wait_for(lambda: fetch(address, f"api/jobs/{job}")["state"] == DONE)
    assert any("resume: " in line for line in fetch(address, f"api/jobs/{job}")["notices"])
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    expected = manualnst.stylize("sample:harbour", "sample:waves", **settings)
    found = load_picture(tmp_path / "jobs" / job / "result.png").pixels
    assert np.array_equal(np.rint(found * 255).astype(np.uint8), expected.to_uint8())
