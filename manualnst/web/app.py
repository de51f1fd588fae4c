"""The server: an HTTP interface to the studio, and the page, which uses nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..errors import InputError
from ..pictures.images import load_picture
from ..pictures.resizing import fitted_size, resize
from ..pictures.saving import encode_png, encode_preview
from ..runs.inputs import SAMPLE_PREFIX, load_source
from ..runs.scales import work
from . import forms
from .guard import LOOPBACK, Guard
from .jobs import DONE, FAILED, STOPPED, Job, Studio
from .openapi import described
from .store import Store
from .subject import subject_mask

_PAGE = Path(__file__).with_name("page")
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_LOOKS = 0.2  # seconds between two looks at a job that somebody watches
_SILENCE = 15.0  # seconds after which a stream says that it is there
_LARGEST_PREVIEW = 1024


def make_app(folder: str | Path, *, painters: int = 1, host: str = "127.0.0.1", token=None):
    """The whole application, as an ASGI server takes it."""
    studio = Studio(Store(folder), painters)

    @asynccontextmanager
    async def life(_app) -> AsyncIterator[None]:
        studio.start()
        yield
        await run_in_threadpool(studio.end)

    app = Starlette(
        routes=[Route(path, _told(handle), methods=[method]) for path, method, handle in ROUTES],
        lifespan=life,
        exception_handlers={HTTPException: _http_error},
    )
    app.state.studio = studio
    hosts = LOOPBACK if host in LOOPBACK else (*LOOPBACK, host)
    return Guard(app, hosts, token)


def _told(handle):
    """What is wrong with a request is told in a line."""

    async def told(request: Request) -> Response:
        try:
            return await handle(request)
        except InputError as error:
            words = str(error)
            return JSONResponse({"error": words}, 404 if words.startswith("there is no") else 400)
        except ClientDisconnect:
            return JSONResponse({"error": "the request ended too soon, or is too large"}, 400)

    return told


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


def _studio(request: Request) -> Studio:
    return request.app.state.studio


def _job(request: Request) -> Job:
    return _studio(request).find(request.path_params["job"])


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body() or b"{}")
    except (ValueError, RecursionError):
        raise InputError("the body is no JSON") from None


# The page


async def page(request: Request) -> Response:
    """The page, and what it is made of."""
    name = request.path_params.get("name", "index.html")
    path = _PAGE / name
    if path.parent != _PAGE or path.suffix not in _TYPES or not path.is_file():
        raise HTTPException(404, "there is no such page")
    return FileResponse(path, media_type=_TYPES[path.suffix], headers={"cache-control": "no-cache"})


async def openapi(_request: Request) -> Response:
    """This description."""
    return JSONResponse(described([route for route in ROUTES if route[0].startswith("/api/")]))


async def options(_request: Request) -> Response:
    """Settings in groups, presets and samples."""
    return JSONResponse(await run_in_threadpool(forms.described))


# Pictures


async def add_picture(request: Request) -> Response:
    """Give a picture's bytes, and its name as ?name=; its ID comes back."""
    data, name = await request.body(), request.query_params.get("name", "")
    store = _studio(request).store
    picture, shows = await run_in_threadpool(store.add_picture, data, name)
    height, width = shows.pixels.shape[:2]
    return JSONResponse(
        {"id": picture, "name": store.name_of(picture), "width": width, "height": height}, 201
    )


async def show_picture(request: Request) -> Response:
    """A picture, or sample:NAME, as WebP of at most ?size= pixels a side."""
    name, side = request.path_params["picture"], _side(request)
    source = name if name.startswith(SAMPLE_PREFIX) else _studio(request).store.picture(name)

    def drawn() -> bytes:
        picture = load_source(source if isinstance(source, str) else str(source))
        size = fitted_size(*picture.pixels.shape[:2], side)
        alpha = None if picture.alpha is None else resize(picture.alpha, *size)
        return encode_preview(resize(picture.pixels, *size), alpha)

    headers = {"cache-control": "private, max-age=86400"}
    return Response(await run_in_threadpool(drawn), media_type="image/webp", headers=headers)


def _side(request: Request) -> int:
    given = request.query_params.get("size", "256")
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= _LARGEST_PREVIEW:
        raise InputError(f"size is {given:.20}; give a number from 1 to {_LARGEST_PREVIEW}")
    return int(given)


async def find_subject(request: Request) -> Response:
    """A mask of what stands out within a rectangle of a picture: its ID."""
    data = await _json(request)
    store = _studio(request).store
    path = store.picture(str(data.get("picture"))) if isinstance(data, dict) else None
    box = data.get("box") if path else None
    if not isinstance(box, list) or len(box) != 4 or not all(_is_share(each) for each in box):
        raise InputError("expected a picture, and a box of four shares from 0 to 1")

    def found() -> str:
        mask = subject_mask(load_picture(path).pixels, tuple(box))
        return store.add_picture(encode_png(np.repeat(mask[:, :, None], 3, axis=2)), "subject")[0]

    return JSONResponse({"id": await run_in_threadpool(found)}, 201)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


# Jobs


async def forecast(request: Request) -> Response:
    """What a job would take, in memory, work and sizes; without painting it."""
    asked = forms.asked_from(await _json(request))
    studio = _studio(request)
    run = await run_in_threadpool(studio.prepared, asked)
    last = run.scales[-1]
    return JSONResponse(
        {
            "width": last.width,
            "height": last.height,
            "steps": run.settings.steps,
            "bytes": run.memory,
            "seconds": await run_in_threadpool(studio.seconds_for, work(run.scales)),
        }
    )


async def add_job(request: Request) -> Response:
    """Ask for a picture: content and styles by ID or as sample:NAME, and settings."""
    asked = forms.asked_from(await _json(request))
    job = await run_in_threadpool(_studio(request).add, asked)
    return JSONResponse(job.facts(), 201)


async def list_jobs(request: Request) -> Response:
    """All jobs, the newest first."""
    jobs = sorted(_studio(request).jobs.values(), key=lambda job: -job.created)
    return JSONResponse([job.facts() for job in jobs])


async def show_job(request: Request) -> Response:
    """One job: what was asked for, and how it stands."""
    return JSONResponse(_job(request).facts() | {"losses": _job(request).losses})


async def stop_job(request: Request) -> Response:
    """Stop it; what is there is kept, and it can go on."""
    await run_in_threadpool(_studio(request).stop, _job(request))
    return JSONResponse(_job(request).facts())


async def resume_job(request: Request) -> Response:
    """Let one go on that was stopped."""
    await run_in_threadpool(_studio(request).resume, _job(request))
    return JSONResponse(_job(request).facts())


async def remove_job(request: Request) -> Response:
    """Remove it with all its files."""
    await run_in_threadpool(_studio(request).remove, _job(request))
    return Response(status_code=204)


async def events(request: Request) -> Response:
    """Server-sent events: the job whenever it has changed, until it has ended."""
    job = _job(request)

    async def stream() -> AsyncIterator[str]:
        version, silent = -1, 0.0
        while True:
            if job.version != version:
                version, silent = job.version, 0.0
                yield f"data: {json.dumps(job.facts() | {'losses': job.losses})}\n\n"
                if job.state in (DONE, FAILED, STOPPED):
                    return
            elif silent >= _SILENCE:
                silent = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(_LOOKS)
            silent += _LOOKS

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)


async def preview(request: Request) -> Response:
    """The picture on its way, as WebP."""
    job = _job(request)
    if not job.preview:
        raise InputError("there is no preview yet")
    headers = {"cache-control": "no-store"}
    return Response(job.preview, media_type="image/webp", headers=headers)


async def result(request: Request) -> Response:
    """The picture so far or in the end, as PNG."""
    return _file(request, "result.png", "image/png")


async def record(request: Request) -> Response:
    """Every setting, version, hash and loss of the run."""
    return _file(request, "result.json", "application/json")


async def animation(request: Request) -> Response:
    """The way there as a moving picture, WebP, of a job with "animate"."""
    return _file(request, "animation.webp", "image/webp")


def _file(request: Request, name: str, kind: str) -> Response:
    job = _job(request)
    path = _studio(request).store.job(job.id) / name
    if not path.is_file():
        raise InputError("there is no result yet")
    saved = (
        {"filename": f"manualnst-{job.id}{path.suffix}"} if "save" in request.query_params else {}
    )
    return FileResponse(path, media_type=kind, headers={"cache-control": "no-cache"}, **saved)


ROUTES = (
    ("/", "GET", page),
    ("/page/{name}", "GET", page),
    ("/api/openapi.json", "GET", openapi),
    ("/api/options", "GET", options),
    ("/api/pictures", "POST", add_picture),
    ("/api/pictures/{picture}", "GET", show_picture),
    ("/api/subject", "POST", find_subject),
    ("/api/forecast", "POST", forecast),
    ("/api/jobs", "GET", list_jobs),
    ("/api/jobs", "POST", add_job),
    ("/api/jobs/{job}", "GET", show_job),
    ("/api/jobs/{job}", "DELETE", remove_job),
    ("/api/jobs/{job}/events", "GET", events),
    ("/api/jobs/{job}/stop", "POST", stop_job),
    ("/api/jobs/{job}/resume", "POST", resume_job),
    ("/api/jobs/{job}/preview.webp", "GET", preview),
    ("/api/jobs/{job}/result.png", "GET", result),
    ("/api/jobs/{job}/record.json", "GET", record),
    ("/api/jobs/{job}/animation.webp", "GET", animation),
)
