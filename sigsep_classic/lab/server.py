"""Serve the lab on this computer's own address, behind the guard, until it is told to end."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from sigsep_classic.compare.report import installed
from sigsep_classic.errors import ParameterError
from sigsep_classic.lab.controls import summaries
from sigsep_classic.lab.guard import Guard
from sigsep_classic.lab.jobs import Jobs
from sigsep_classic.lab.shelf import Shelf
from sigsep_classic.processes import environment

ADDRESS = "127.0.0.1"
PORT = 8421
"""Taken where it is free, unless another one is asked for."""

UPLOAD_LIMIT = 200_000_000
AWAY_S = 60.0
"""How long a tab may be away (a computer asleep, a reload) before its recording and results are forgotten."""

QUIET = {"OTEL_SDK_DISABLED": "true", "FASTAPI_OTEL_AUTO_CONFIGURE": "false", "MATPLOTLIB": "false"}
"""FastAPI can report to OpenTelemetry where variables say so: not from here. NiceGUI need not import matplotlib."""

PACKAGES = ("nicegui", "jinja2", "matplotlib")


def require_packages() -> None:
    """Raise unless what the lab is made with is installed.

    Raises
    ------
    ParameterError
        NiceGUI, jinja2 or matplotlib is missing.
    """
    missing = [name for name in PACKAGES if not installed(name)]
    if missing:
        raise ParameterError(f'the lab needs {" and ".join(missing)}; pip install "sigsep-classic[lab]"')


def serve(
    *,
    port: int | None = None,
    upload_limit: int = UPLOAD_LIMIT,
    at_once: int = 1,
    browser: bool = True,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the lab on 127.0.0.1 until the process is interrupted.

    Parameters
    ----------
    port : int, optional
        0 for any that is free. Default: `PORT`, or any where that is taken.
    upload_limit : int
        Bytes of the largest recording.
    at_once : int
        Separations at a time, of all tabs together.
    browser : bool
        Open the page in this computer's browser.
    ready : callable, optional
        Called with the address once it is served.

    Raises
    ------
    ParameterError
        Packages are missing, or the port is taken.
    """
    require_packages()
    with _bound(port) as listening:
        number = listening.getsockname()[1]
        key = secrets.token_urlsafe(24)
        address = f"http://{ADDRESS}:{number}/?key={key}"
        jobs, shelf = Jobs(at_once), Shelf()
        summaries()  # imports all methods while the worker starts, not when the first page waits

        def tell() -> None:
            if ready is not None:
                ready(address)
            if browser:
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

        try:
            with environment(QUIET):
                app = application(jobs, shelf, upload_limit=upload_limit, ready=tell)
                _run(Guard(app, port=number, key=key, upload_limit=upload_limit), listening)
        finally:
            jobs.close()


def _bound(port: int | None) -> socket.socket:
    """Return a socket that listens to this computer alone."""
    for wanted in (PORT, 0) if port is None else (port,):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((ADDRESS, wanted))
            listening.listen()
        except OSError as error:
            listening.close()
            if port is not None:
                why = error.strerror or error
                raise ParameterError(
                    f"--port {port} can't be had ({why}); leave it out for a free one"
                ) from None
            continue
        return listening
    raise ParameterError(f"no port of {ADDRESS} can be had; close what listens there")


def application(jobs: Jobs, shelf: Shelf, *, upload_limit: int, ready: Callable[[], None]) -> Any:
    """Return the ASGI application: the page, and what is on the shelf."""
    from fastapi import FastAPI, Response
    from nicegui import app as toolkit
    from nicegui import ui

    from sigsep_classic.lab.page import build

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/result/{name}", response_model=None)
    def result(name: str) -> Any:
        item = shelf.get(name)
        if item is None:
            return Response("it is no longer there; separate again", status_code=404, media_type="text/plain")
        headers = {"cache-control": "no-store"}
        if item.download:
            headers["content-disposition"] = f"attachment; {_file_name(item.download)}"
        return Response(item.read(), media_type=item.media_type, headers=headers)

    @ui.page("/", title="sigsep-classic lab", response_timeout=30)
    def page() -> None:
        build(jobs, shelf, upload_limit=upload_limit)

    toolkit.on_startup(ready)
    ui.run_with(
        app,
        title="sigsep-classic lab",
        dark=None,
        reconnect_timeout=AWAY_S,
        show_welcome_message=False,
        on_air=None,
        storage_secret=None,  # nothing is kept: no session, no file
    )
    return app


def _file_name(name: str) -> str:
    """Return the parameter of a header that says how a download is called (RFC 6266)."""
    from urllib.parse import quote

    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    return f"filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _run(app: Any, listening: socket.socket) -> None:
    import uvicorn

    kinds: dict[str, Any] = {"loop": "asyncio", "http": "h11"} if find_spec("uvloop") is None else {}
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        **kinds,
    )
    uvicorn.Server(config).run(sockets=[listening])
