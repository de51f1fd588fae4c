"""Downloads from a server that breaks off, stalls, lies, changes its mind, or behaves."""

import hashlib
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
from weights_files import random_layers, torchvision_tensors, write_keras, write_pytorch

from manualnst.errors import InputError
from manualnst.weights import download as module
from manualnst.weights import find_weights, load_weights
from manualnst.weights.catalogue import CATALOGUE, PublicFile, cache_folder, cached_path
from manualnst.weights.download import download
from manualnst.weights.fetch import _only_process, fetch_weights

DATA = np.random.default_rng(0).bytes(300_000)
GOOD = {"size": len(DATA), "digest": ("sha256", hashlib.sha256(DATA).hexdigest())}
# Patience for nothing but the test of stalls.
QUICK = {"timeout": 5, "pause": 0}


class Server(ThreadingHTTPServer):
    """Serves `data` with ranges; `plan` says what goes wrong at the first, second … request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.tag, self.date, self.ranges = DATA, '"one"', None, True
        self.plan: list[dict] = []
        self.requests: list[dict] = []
        self.over = threading.Event()

    def url(self, name="file.bin"):
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"

    def asked_ranges(self):
        return [request.get("Range") for request in self.requests]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        plan = SimpleNamespace(
            **{
                "status": None,
                "cut": None,
                "stall": False,
                "headers": {},
                "wrong": {},
                "extra": b"",
            }
            | (server.plan.pop(0) if server.plan else {})
        )
        server.requests.append(dict(self.headers))
        if plan.status:
            self.send_response(plan.status)
            for name, value in plan.headers.items():
                self.send_header(name, value)
            self.end_headers()
            return
        start = self._start()
        body = server.data[start:]
        headers = {"Content-Length": str(len(body)), "ETag": server.tag}
        if server.date:
            headers["Last-Modified"] = server.date
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(server.data) - 1}/{len(server.data)}"
        self.send_response(206 if start else 200)
        for name, value in (headers | plan.wrong).items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: plan.cut] + plan.extra)
        self.wfile.flush()
        if plan.stall:
            server.over.wait(20)

    def _start(self):
        """Where to begin: at the Range asked for if this is still the version meant."""
        server, asked = self.server, self.headers.get("Range")
        current = (server.tag, server.date)
        if not asked or not server.ranges or self.headers.get("If-Range") not in current:
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.bin"


def names(path):
    return sorted(other.name for other in path.parent.iterdir())


def test_a_file_is_fetched_and_verified(server, path):
    reports = []
    download(server.url(), path, **GOOD, **QUICK, progress=lambda *report: reports.append(report))
    assert path.read_bytes() == DATA
    assert names(path) == ["file.bin"]
    assert reports[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in reports] == sorted({done for done, _ in reports})


def test_what_is_there_is_not_fetched_again(server, path):
    path.write_bytes(b"verified before")
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == b"verified before"
    assert not server.requests


def test_the_beginning_of_a_digest_is_enough_if_more_is_not_known(server, path):
    download(server.url(), path, digest=("sha256", GOOD["digest"][1][:8]), **QUICK)
    assert path.read_bytes() == DATA


def test_broken_downloads_go_on_where_they_broke_off(server, path):
    server.plan = [{"cut": 100_000}, {"cut": 50_000}]
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == DATA
    assert server.asked_ranges() == [None, "bytes=100000-", "bytes=150000-"]
    assert [request.get("If-Range") for request in server.requests] == [None, '"one"', '"one"']


def test_servers_that_ignore_ranges_send_all_again(server, path):
    server.ranges = False
    server.plan = [{"cut": 100_000}]
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == DATA
    assert server.asked_ranges() == [None, "bytes=100000-"]


def test_a_changed_file_is_not_joined_with_its_old_beginning(server, path):
    server.data = bytes(300_000)
    server.plan = [{"cut": 100_000}]
    with pytest.raises(InputError):
        download(server.url(), path, **GOOD, **QUICK, attempts=1)
    server.data, server.tag = DATA, '"two"'
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == DATA
    assert server.requests[1]["If-Range"] == '"one"'


@pytest.mark.parametrize("tag", ['W/"weak"', None, '"Ü"', '"x\ty"'])
def test_without_a_tag_that_vouches_for_every_byte_all_is_fetched_again(server, path, tag):
    server.plan = [{"cut": 100_000, "wrong": {"ETag": tag}}]
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == DATA
    assert server.asked_ranges() == [None, None]


def test_a_date_serves_where_there_is_no_strong_tag(server, path):
    server.tag, server.date = 'W/"weak"', "Sat, 21 Nov 2026 05:00:00 GMT"
    server.plan = [{"cut": 100_000}]
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == DATA
    assert server.requests[1]["If-Range"] == server.date


@pytest.mark.parametrize("stated", ["bytes 5-299999/300000", "bytes */300000", "junk", None])
def test_another_part_than_asked_for_is_not_joined(server, path, stated):
    server.plan = [{"cut": 100_000}, {"wrong": {"Content-Range": stated}}]
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == DATA
    assert server.asked_ranges() == [None, "bytes=100000-", None]


def test_a_part_that_was_not_asked_for_is_refused(server, path):
    server.plan = [{"status": 206, "headers": {"Content-Range": "bytes 0-4/5"}}] * 4
    with pytest.raises(InputError, match="206 with another part"):
        download(server.url(), path, **GOOD, **QUICK)


def test_a_range_that_cannot_be_satisfied_starts_anew(server, path):
    server.plan = [{"cut": 100_000}, {"status": 416}]
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == DATA
    assert server.asked_ranges() == [None, "bytes=100000-", None]


def test_stalls_end_and_what_has_come_is_kept(server, path):
    server.plan = [{"cut": 1000, "stall": True}]
    download(server.url(), path, **GOOD, timeout=0.2, pause=0)
    assert path.read_bytes() == DATA
    assert server.asked_ranges() == [None, "bytes=1000-"]


def test_servers_that_never_answer_are_given_up(server, path):
    server.plan = [{"cut": 0, "stall": True}] * 2
    with pytest.raises(InputError, match="does not answer any more .2 attempts."):
        download(server.url(), path, **GOOD, timeout=0.1, pause=0, attempts=2)
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_errors_that_may_pass_are_tried_again(server, path, status):
    server.plan = [{"status": status}]
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == DATA


def test_errors_that_last_are_told(server, path):
    server.plan = [{"status": 503}] * 9
    with pytest.raises(InputError, match="503 Service Unavailable .4 attempts."):
        download(server.url(), path, **GOOD, **QUICK)
    assert len(server.requests) == 4
    assert names(path) == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_errors_that_will_not_pass_are_told_at_once(server, path, status):
    server.plan = [{"status": status}]
    with pytest.raises(InputError, match=f"answers {status}"):
        download(server.url(), path, **GOOD, **QUICK)
    assert len(server.requests) == 1


def test_pauses_grow(server, path, monkeypatch):
    slept = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    server.plan = [{"status": 503}] * 3
    download(server.url(), path, **GOOD, timeout=5, pause=1)
    assert slept == [1, 2, 4]


def test_a_corrupted_file_is_deleted(server, path):
    server.data = DATA[:-1] + b"?"
    with pytest.raises(InputError, match="its sha256 is .* expected .* is deleted"):
        download(server.url(), path, **GOOD, **QUICK)
    assert names(path) == []


def test_a_file_of_another_size_is_not_even_begun(server, path):
    server.data = DATA + b"more"
    with pytest.raises(InputError, match="it has 300004 bytes, expected 300000"):
        download(server.url(), path, **GOOD, **QUICK)
    assert names(path) == []


def test_more_than_expected_is_refused_as_soon_as_it_comes(server, path):
    server.plan = [{"wrong": {"Content-Length": None}, "extra": bytes(10_000_000)}]
    reports = []
    with pytest.raises(InputError, match="sends more than 300000 bytes"):
        download(server.url(), path, **GOOD, **QUICK, progress=lambda *r: reports.append(r))
    assert names(path) == []
    assert max(done for done, _ in reports) <= len(DATA)


@pytest.mark.parametrize("length", ["9" * 5000, "-5", "many", "", "1e3"])
def test_a_size_that_is_no_number_is_ignored(server, path, length):
    server.plan = [{"wrong": {"Content-Length": length}}]
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == DATA


def test_files_of_unknown_size_are_bounded(server, path, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="it has 300000 bytes, at most 1000 are fetched"):
        download(server.url(), path, **QUICK)
    server.plan = [{"wrong": {"Content-Length": None}}]
    with pytest.raises(InputError, match="sends more than 1000 bytes"):
        download(server.url(), path, **QUICK)


def test_an_interrupt_keeps_what_has_come(server, path):
    def interrupt(done, total):
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.url(), path, **GOOD, **QUICK, progress=interrupt)
    kept = path.with_name("file.bin.part").stat().st_size
    assert kept > 100_000
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == DATA
    assert server.asked_ranges() == [None, f"bytes={kept}-"]


def test_what_was_interrupted_before_the_verification_is_verified(server, path):
    path.with_name("file.bin.part").write_bytes(DATA)
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == DATA
    assert not server.requests


def test_a_part_that_is_too_long_is_thrown_away(server, path):
    path.with_name("file.bin.part").write_bytes(DATA + b"?")
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == DATA


def test_redirections_lead_to_http_only(server, path, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(DATA)
    server.plan = [{"status": 302, "headers": {"Location": server.url("moved")}}]
    download(server.url(), path, **GOOD, **QUICK)
    assert path.read_bytes() == DATA
    path.unlink()
    for target in (f"file://{secret}", "ftp://127.0.0.1/file", "data:,x"):
        server.plan = [{"status": 302, "headers": {"Location": target}}] * 4
        with pytest.raises(InputError, match="cannot fetch"):
            download(server.url(), path, **GOOD, **QUICK)
    assert not path.exists()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/file", "data:,x", "file.bin", ""]
)
def test_other_addresses_are_refused(path, url):
    with pytest.raises(InputError, match="only http and https"):
        download(url, path)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://[::1/file", "Invalid IPv6"),
        ("http://host:99999/file", "[Pp]ort"),
        ("http://a mirror/file", "spaces"),
        ("http://host/fil\u00e9", "ASCII"),
        ("http://host/a\nfile", "spaces"),
        ("http:///file", "only http and https"),
    ],
)
def test_addresses_that_are_none_are_refused_at_once(path, url, message):
    with pytest.raises(InputError, match=message) as caught:
        download(url, path, pause=1000)
    assert "attempts" not in str(caught.value)


def test_a_server_that_is_not_there(server, path):
    url = server.url()
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match=r"refused \(2 attempts\)"):
        download(url, path, **GOOD, pause=0, attempts=2)


# From a name to weights in the cache


@pytest.fixture
def tiny(server, tmp_path, monkeypatch):
    """A catalogue with one more file, which the mirror has."""
    write_keras(tmp_path / "tiny.h5", random_layers())
    server.data = (tmp_path / "tiny.h5").read_bytes()
    monkeypatch.setenv("MANUALNST_MIRROR", server.url(""))
    digest = ("md5", hashlib.md5(server.data).hexdigest())
    url = "https://example.org/folder/tiny_file.h5"
    public = PublicFile("tiny", "vgg19", url, len(server.data), digest, "caffe-bgr", "")
    monkeypatch.setitem(CATALOGUE, "tiny", public)
    return public


def test_weights_are_fetched_converted_and_found(tiny, server):
    path = fetch_weights("tiny")
    assert path == cached_path("tiny")
    weights = find_weights("tiny")
    assert weights.provenance["name"] == "tiny"
    assert weights.provenance["source"] == tiny.url
    assert weights.preprocessing.channels == "BGR"
    assert sorted(other.name for other in cache_folder().iterdir()) == ["tiny.h5", "tiny.lock"]


def test_what_is_not_as_published_does_not_reach_the_cache(tiny, server):
    server.data = server.data[:-1] + b"?"
    with pytest.raises(InputError, match="its md5 is"):
        fetch_weights("tiny")
    assert not cached_path("tiny").exists()


def test_a_file_that_cannot_be_converted_is_not_kept(server, tiny, monkeypatch, tmp_path):
    other = tmp_path / "other.pth"
    write_pytorch(other, {}, zipped=True)
    server.data = other.read_bytes()
    digest = ("sha256", hashlib.sha256(server.data).hexdigest())
    odd = PublicFile("odd", "vgg19", "https://x.org/odd.pth", None, digest, None, "")
    monkeypatch.setitem(CATALOGUE, "odd", odd)
    with pytest.raises(InputError, match="not named as those of a known VGG"):
        fetch_weights("odd")
    assert [path.name for path in cache_folder().iterdir()] == ["odd.lock"]


def test_the_catalogue_says_how_pixels_are_prepared(server, tiny, monkeypatch, tmp_path):
    """Of two files that look the same, one is Caffe's."""
    other = tmp_path / "caffe.pth"
    write_pytorch(other, torchvision_tensors(random_layers()), zipped=False)
    server.data = other.read_bytes()
    digest = ("sha256", hashlib.sha256(server.data).hexdigest()[:8])
    odd = PublicFile("caffe", "vgg19", "https://x.org/c.pth", None, digest, "caffe-bgr", "")
    monkeypatch.setitem(CATALOGUE, "caffe", odd)
    assert load_weights(fetch_weights("caffe")).preprocessing.channels == "BGR"


def test_one_process_at_a_time(tiny):
    cache_folder().mkdir(parents=True)
    with (
        _only_process(cache_folder() / "tiny.lock", "tiny"),
        pytest.raises(InputError, match="another process is fetching tiny"),
    ):
        fetch_weights("tiny")
    fetch_weights("tiny")


def test_a_process_that_was_killed_leaves_no_lock(tiny):
    cache_folder().mkdir(parents=True)
    program = (
        "import os, sys, pathlib\n"
        "from manualnst.weights.fetch import _only_process\n"
        "with _only_process(pathlib.Path(sys.argv[1]), 'tiny'): os._exit(9)"
    )
    lock = cache_folder() / "tiny.lock"
    assert subprocess.run([sys.executable, "-c", program, lock], check=False).returncode == 9
    fetch_weights("tiny")


def test_a_cache_that_cannot_be_made_is_told(tiny, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MANUALNST_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="cannot write to the cache .*MANUALNST_CACHE"):
        fetch_weights("tiny")


def test_a_full_disk_is_told(tiny, server):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(InputError, match="cannot write to the cache .*File too large"):
            fetch_weights("tiny")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    fetch_weights("tiny")  # and once there is room, it goes on
    assert server.asked_ranges()[1] is not None
