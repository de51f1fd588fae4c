"""The HTTP interface, as programs use it."""

import io
import json
import time

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import manualnst
from manualnst.web import store
from manualnst.web.app import ROUTES, make_app
from manualnst.web.store import MAX_UPLOAD

SMALL = {"size": 40, "steps": 4, "min_size": 24, "weights": "builtin"}


def png(height=40, width=33, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def added(client, data=None, name="photo.png"):
    answer = client.post("/api/pictures", content=data or png(), params={"name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def asked(client, **settings):
    styles = ["sample:waves"]
    return {"content": added(client), "styles": styles, "settings": SMALL | settings}


def ended(client, job, states=("done", "failed", "stopped")):
    for _ in range(600):
        facts = client.get(f"/api/jobs/{job}").json()
        if facts["state"] in states:
            return facts
        time.sleep(0.1)
    raise AssertionError(facts)


def test_a_job_gives_the_bits_of_a_run(client):
    job = client.post("/api/jobs", json=asked(client, seed=3)).json()
    facts = ended(client, job["id"])
    assert facts["state"] == "done", facts["why"]
    expected = manualnst.stylize(png(), "sample:waves", seed=3, **SMALL)
    result = client.get(f"/api/jobs/{job['id']}/result.png")
    assert result.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(result.content)) as picture:
        assert np.array_equal(np.asarray(picture), expected.to_uint8())
    record = client.get(f"/api/jobs/{job['id']}/record.json").json()
    assert record["best_loss"] == expected.record["best_loss"]
    assert facts["step"] == 4 and [step for step, _ in facts["losses"]] == [1, 2, 3, 4]
    preview = client.get(f"/api/jobs/{job['id']}/preview.webp")
    with Image.open(io.BytesIO(preview.content)) as picture:
        assert picture.format == "WEBP" and max(picture.size) <= 40


def test_more_steps_begin_with_the_result(client):
    first = client.post("/api/jobs", json=asked(client) | {"animate": True}).json()["id"]
    assert ended(client, first)["label"] == "photo.png in sample:waves"
    with Image.open(io.BytesIO(client.get(f"/api/jobs/{first}/animation.webp").content)) as moving:
        assert moving.n_frames > 1
    more = client.post("/api/jobs", json=asked(client) | {"after": first}).json()["id"]
    assert ended(client, more)["state"] == "done"
    records = [client.get(f"/api/jobs/{job}/record.json").json() for job in (first, more)]
    assert records[1]["best_loss"] < records[0]["best_loss"]
    assert records[1]["scales"][0]["size"] == [33, 40] and len(records[1]["scales"]) == 1
    assert client.get(f"/api/jobs/{more}/animation.webp").status_code == 404


def test_the_forecast_tells_size_steps_and_memory_and_paints_nothing(client):
    told = client.post("/api/forecast", json=asked(client)).json()
    assert (told["width"], told["height"], told["steps"]) == (33, 40, 4)
    assert told["bytes"] > 1e6
    assert client.get("/api/jobs").json() == []


def test_events_tell_of_every_change_until_the_end(client):
    job = client.post("/api/jobs", json=asked(client)).json()["id"]
    with client.stream("GET", f"/api/jobs/{job}/events") as stream:
        told = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert told[-1]["state"] == "done"
    versions = [each["version"] for each in told]
    assert versions == sorted(set(versions))


@pytest.mark.slow
def test_what_is_stopped_goes_on_to_the_same_bits(client):
    long = asked(client, steps=40, scales=1)
    job = client.post("/api/jobs", json=long).json()["id"]
    while client.get(f"/api/jobs/{job}").json().get("step", 0) < 2:
        time.sleep(0.02)
    client.post(f"/api/jobs/{job}/stop")
    stopped = ended(client, job)
    assert stopped["state"] == "stopped" and stopped["step"] < 40
    assert client.get(f"/api/jobs/{job}/result.png").status_code == 200
    assert client.post(f"/api/jobs/{job}/resume").json()["state"] in ("queued", "running")
    assert ended(client, job, ("done", "failed"))["state"] == "done"
    again = client.post("/api/jobs", json=long).json()["id"]
    ended(client, again)
    results = [client.get(f"/api/jobs/{each}/result.png").content for each in (job, again)]
    pixels = [np.asarray(Image.open(io.BytesIO(each))) for each in results]
    assert np.array_equal(*pixels)


def test_a_job_that_waits_is_stopped_at_once_and_removed(client, monkeypatch):
    first = client.post("/api/jobs", json=asked(client, steps=4000, scales=1)).json()["id"]
    other = added(client, png(seed=5))
    waiting = {"content": other, "styles": ["sample:waves"], "settings": SMALL}
    second = client.post("/api/jobs", json=waiting).json()["id"]
    assert client.post(f"/api/jobs/{second}/stop").json()["state"] == "stopped"
    assert client.delete(f"/api/jobs/{second}").status_code == 204
    assert client.get(f"/api/jobs/{second}").status_code == 404
    assert client.get(f"/api/pictures/{other}").status_code == 200  # the page may show it
    monkeypatch.setattr(store, "KEPT_SECONDS", -1.0)
    ended(client, first, ("running",))
    assert "stop it first" in client.delete(f"/api/jobs/{first}").json()["error"]
    client.post(f"/api/jobs/{first}/stop")
    ended(client, first)
    assert client.delete(f"/api/jobs/{first}").status_code == 204
    assert client.get(f"/api/pictures/{other}").status_code == 404


NO_PICTURES = [b"", b"no picture", png()[:200], b"\x89PNG\r\n\x1a\n" + b"\0" * 99]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"content": "sample:nowhere"}, "nowhere"),
        ({"content": "../../etc/passwd"}, "is no ID"),
        ({"content": "0" * 32}, "there is no picture"),
        ({"content": 3}, "expected a text"),
        ({"styles": []}, "styles is empty"),
        ({"styles": ["sample:waves"] * 9}, "at most 8"),
        ({"styles": "sample:waves"}, "expected a list"),
        ({"settings": {"size": "large"}}, "expected a number"),
        ({"settings": {"sise": 3}}, "unknown setting 'sise'"),
        ({"settings": {"weights": "/etc/passwd"}}, "weights is"),
        ({"settings": {"init": "/etc/passwd"}}, "unknown setting 'init'"),
        ({"settings": {"steps": 0}}, "steps must be from 1"),
        ({"settings": []}, "expected an object"),
        ({"preset": "nobody's"}, "nobody's"),
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"masks": ["sample:waves"]}, "mask"),
    ],
)
def test_what_cannot_be_painted_is_refused_in_a_line(client, change, words):
    answer = client.post("/api/jobs", json=asked(client) | change)
    assert answer.status_code in (400, 404), answer.text
    assert words in answer.json()["error"] and "\n" not in answer.json()["error"]
    assert client.get("/api/jobs").json() == []


@pytest.mark.parametrize(
    "data", [b"", b"no picture", png()[:200], b"\x89PNG\r\n\x1a\n" + b"\0" * 99]
)
def test_only_pictures_are_taken(client, data):
    answer = client.post("/api/pictures", content=data)
    assert answer.status_code == 400 and answer.json()["error"]


def test_names_never_become_paths(client, tmp_path):
    picture = client.post(
        "/api/pictures", content=png(), params={"name": "../../x\n<b>.png"}
    ).json()
    assert "\n" not in picture["name"]
    assert not (tmp_path / "x").exists()
    for path in ("/page/..%2fapp.py", "/page/../app.py", "/api/pictures/..%2f..%2fx"):
        assert client.get(path).status_code in (400, 404)


def test_pictures_are_served_small_and_as_pictures(client):
    answer = client.get(f"/api/pictures/{added(client)}", params={"size": 20})
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["x-content-type-options"] == "nosniff"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == (16, 20) or picture.size == (17, 20)
    assert client.get("/api/pictures/sample:waves", params={"size": 9999}).status_code == 400


def test_a_subject_is_found_within_a_rectangle(client):
    pytest.importorskip("cv2")
    pixels = np.full((60, 80, 3), 230, np.uint8)
    pixels[20:40, 30:50] = (180, 30, 30)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    asked = {"picture": added(client, file.getvalue()), "box": [0.25, 0.2, 0.75, 0.8]}
    mask = client.post("/api/subject", json=asked).json()["id"]
    drawn = client.get(f"/api/pictures/{mask}", params={"size": 80}).content
    with Image.open(io.BytesIO(drawn)) as picture:
        grey = np.asarray(picture.convert("L")) / 255
    inside = np.zeros((60, 80), bool)
    inside[20:40, 30:50] = True
    assert grey[inside].mean() > 0.85 and grey[~inside].mean() < 0.05


@pytest.mark.parametrize(
    "asked",
    [
        {},
        [],
        {"picture": "0" * 32, "box": [0, 0, 1, 1]},
        {"picture": "PICTURE", "box": [0, 0, 2, 1]},
        {"picture": "PICTURE", "box": ["a", 0, 1, 1]},
        {"picture": "PICTURE", "box": [0.5, 0.5, 0.5, 0.5]},
        {"picture": "PICTURE", "box": [0, 0, 1, 1]},
    ],
)
def test_no_subject_is_refused_in_a_line(client, asked):
    if isinstance(asked, dict) and asked.get("picture") == "PICTURE":
        asked = asked | {"picture": added(client)}
    answer = client.post("/api/subject", json=asked)
    assert answer.status_code in (400, 404) and answer.json()["error"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"x-manualnst": None}, 403),
        ({"content-length": str(MAX_UPLOAD + 1)}, 413),
        ({"content-length": "many"}, 413),
    ],
)
def test_others_are_kept_out(client, headers, code):
    for name, value in headers.items():
        if value is None:
            del client.headers[name]
        else:
            client.headers[name] = value
    assert client.post("/api/jobs", content=b"{}").status_code == code


def test_a_longer_body_than_it_says_is_cut(client):
    def pieces():
        for _ in range(1 + MAX_UPLOAD // (8 << 20)):
            yield b"\0" * (8 << 20)

    answer = client.post("/api/pictures", content=pieces())
    assert answer.status_code == 400


def test_elsewhere_a_token_is_asked_for(tmp_path):
    app = make_app(tmp_path, host="192.0.2.1", token="secret")
    with TestClient(app, base_url="http://192.0.2.1") as client:
        assert client.get("/api/jobs").status_code == 401
        assert client.get("/api/jobs", params={"token": "secres"}).status_code == 401
        assert client.get("/api/jobs", params={"token": "secret"}).status_code == 200
        bearer = {"authorization": "Bearer secret"}
        assert client.get("/api/jobs", headers=bearer).status_code == 200


def test_the_page_is_there_without_inline_script(client):
    page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy
    assert "<script>" not in page.text and "onclick" not in page.text and "style=" not in page.text
    names = ["app.js", "masks.js", "style.css", "icon.svg"]
    sizes = [len(client.get(f"/page/{name}").content) for name in names]
    assert all(sizes) and sum(sizes) + len(page.content) < 150_000


def test_the_description_has_every_route(client):
    paths = client.get("/api/openapi.json").json()["paths"]
    told = {(path, method) for path, methods in paths.items() for method in methods}
    assert told == {(path, method.lower()) for path, method, _ in ROUTES if "/api/" in path}
    assert all(operation["summary"] for each in paths.values() for operation in each.values())


def test_every_setting_is_offered_with_its_words(client):
    groups = client.get("/api/options").json()["groups"]
    settings = {each["name"]: each for group in groups for each in group["settings"]}
    assert {"style_strength", "colours", "tv_weight", "optimizer"} <= settings.keys()
    assert not {"init", "backend"} & settings.keys()
    assert settings["weights"]["choices"] == ["builtin"]
    assert all(each["words"] for each in settings.values())
