"""`manualnst serve`: the web page."""

import argparse
import secrets

from ..errors import InputError
from ..system.files import make_folder
from .console import say

_PORT = 7860


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "serve",
        help="a web page to paint with",
        description="Serve a page on this machine: pictures in, paintings out, live. It needs "
        "`pip install manualnst[web]`.",
    )
    parser.add_argument("--port", type=int, default=_PORT, help="default: %(default)s; 0: any")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="on another than this machine itself a token is asked for (default: %(default)s)",
    )
    parser.add_argument(
        "--folder",
        default="manualnst-page",
        help="where pictures and results live (default: %(default)s)",
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="pictures painted at a time (default: 1)"
    )
    parser.set_defaults(handler=_serve)


def _serve(args: argparse.Namespace) -> int:
    try:
        import uvicorn

        from ..web.app import make_app
        from ..web.guard import LOOPBACK
    except ImportError as error:
        raise InputError(
            f"the page needs more packages ({error.name} is missing): pip install manualnst[web]"
        ) from error
    if not 0 <= args.port <= 65535 or not 1 <= args.jobs <= 16:
        raise InputError("--port must be from 0 to 65535, --jobs from 1 to 16")
    token = None if args.host in LOOPBACK else secrets.token_urlsafe(16)
    app = make_app(make_folder(args.folder), painters=args.jobs, host=args.host, token=token)
    config = uvicorn.Config(
        app,
        host=args.host,
        port=args.port,
        log_level="warning",
        timeout_keep_alive=10,
        timeout_graceful_shutdown=2,
        limit_concurrency=400,
        h11_max_incomplete_event_size=16 << 10,
        server_header=False,
    )
    return _run(uvicorn.Server(config), args.host, token)


def _run(server, host: str, token: str | None) -> int:
    """Until it is interrupted; what is being painted goes on the next time."""
    started = server.startup

    async def startup(sockets=None) -> None:
        await started(sockets)
        if server.started:
            port = server.servers[0].sockets[0].getsockname()[1]
            query = f"?token={token}" if token else ""
            say(f"http://{f'[{host}]' if ':' in host else host}:{port}/{query}")

    server.startup = startup
    try:
        server.run()
    except KeyboardInterrupt:
        pass
    except SystemExit as error:  # uvicorn's, of a port that is taken, which it has told
        raise InputError("the page could not be served") from error
    return 0
