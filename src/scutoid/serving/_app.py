"""The addresses of the page, and what each answers; nothing of it changes the store."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from scutoid.errors import ParameterError, ScutoidError, StoreError
from scutoid.reports import graph_svg
from scutoid.serving._asgi import App
from scutoid.serving._details import result_document, step_document
from scutoid.serving._guard import Access, Guard
from scutoid.serving._pictures import Pictures
from scutoid.serving._run_view import RunView
from scutoid.serving._store_view import StoreView, table_file
from scutoid.serving._table_filters import COMPARISONS, Comparison, Filter
from scutoid.serving._table_pages import Query, TablePages
from scutoid.store import Entry
from scutoid.texts import parse_json

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_OF_REPORTS = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""A report is a file of the store: its script runs, but as that of nobody, without the cookie."""
_EVERY_SECONDS = 0.5
_RUNS_SECONDS = 1.0
_BEAT_SECONDS = 10.0
_LONG = 100_000
_LIMIT = 500


def make_app(store: StoreView, access: Access, *, is_stopping: Callable[[], bool]) -> App:
    """Return the application that shows a store.

    Parameters
    ----------
    store : StoreView
        What is shown.
    access : Access
        Who may look.
    is_stopping : callable
        Whether the server is to end; then streams of events do.
    """
    from starlette.applications import Starlette

    pages = _Pages(store, is_stopping)
    handlers = {ScutoidError: _refuse, KeyError: _miss}
    app = Starlette(routes=pages.routes(), exception_handlers=handlers)
    return Guard(cast("App", app), access)


def _refuse(_: Request, error: Exception) -> Response:
    """Answer with the text of an error."""
    return _json({"error": str(error)}, 400 if isinstance(error, ParameterError) else 404)


def _miss(_: Request, error: Exception) -> Response:
    """Answer where a run has no such step."""
    return _json({"error": f"the run has no step {error}"}, 404)


class _Pages:
    """The handlers of all addresses."""

    def __init__(self, store: StoreView, is_stopping: Callable[[], bool]) -> None:
        self._store = store
        self._is_stopping = is_stopping
        self._tables = TablePages()
        self._pictures = Pictures()
        folder = files("scutoid.serving") / "static"
        self._static = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}

    def routes(self) -> list[Route]:
        """Return what is answered where."""
        from starlette.routing import Route

        answers = {
            "store": self._about,
            "runs": self._runs,
            "run": self._run,
            "results": self._results,
            "result": self._result,
            "graph": self._graph,
            "step": self._step,
            "blocks": self._blocks,
            "picture": self._picture,
            "table": self._table,
            "stream": self._stream,
        }
        return [
            Route("/", self._page),
            Route("/run/{name}", self._page),
            Route("/result", self._page),
            Route("/report/{name}", self._report),
            Route("/static/{name}", self._file),
            *(Route(f"/api/{name}", answer) for name, answer in answers.items()),
        ]

    def _page(self, request: Request) -> Response:
        from starlette.responses import Response

        return Response(self._static["index.html"], media_type="text/html")

    def _report(self, request: Request) -> Response:
        """Show the report that a run has written, shut off from this page and all that it tells."""
        from starlette.responses import Response

        path = self._store.run(request.path_params["name"]).report
        if path is None:
            raise StoreError("the run has a report", value=request.path_params["name"])
        headers = {"content-security-policy": _OF_REPORTS}
        return Response(path.read_bytes(), media_type="text/html", headers=headers)

    def _file(self, request: Request) -> Response:
        from starlette.responses import Response

        name = request.path_params["name"]
        if name not in self._static:
            return Response("there is no such file\n", 404, media_type="text/plain")
        kind = _KINDS[name.rpartition(".")[2]]
        return Response(self._static[name], media_type=kind)

    def _about(self, request: Request) -> Response:
        from scutoid._version import __version__

        return _json({"path": str(self._store.path), "version": __version__})

    def _runs(self, request: Request) -> Response:
        return _json(self._store.runs(offset=_whole(request, "offset"), limit=_limit(request)))

    def _results(self, request: Request) -> Response:
        name = request.query_params.get("name", "")
        with_inner = request.query_params.get("all") == "1"
        at, limit = _whole(request, "offset"), _limit(request)
        return _json(self._store.results(at, limit, name=name, with_inner=with_inner))

    def _run(self, request: Request) -> Response:
        return _json(self._store.run(_text(request, "run")).document())

    def _graph(self, request: Request) -> Response:
        from starlette.responses import Response

        facts = self._store.run(_text(request, "run")).facts
        opened = request.query_params.getlist("open")
        return Response(graph_svg(facts, unfolded=opened, style=False), media_type="image/svg+xml")

    def _step(self, request: Request) -> Response:
        view = self._store.run(_text(request, "run"))
        step = view.step(_text(request, "step"))
        return self._with_commands(step.name, step_document(view, step), step.kind)

    def _result(self, request: Request) -> Response:
        entry, recipe = self._store.result(_text(request, "place"))
        return self._with_commands(recipe.step, result_document(entry, recipe), recipe.kind)

    def _with_commands(self, step: str, document: dict[str, Any], kind: str) -> Response:
        kinds = [output["kind"] for output in document["outputs"]]
        commands = self._store.commands(step, kinds, of_members=kind == "collection")
        return _json({**document, "commands": commands})

    def _blocks(self, request: Request) -> Response:
        view = self._store.run(_text(request, "run"))
        drawn = view.block_map(_text(request, "step"))
        if drawn is None:
            return _json({"cells": None})
        rows, columns = drawn.cells.shape
        facts = {name: getattr(drawn, name) for name in ("blocks", "factors", "planes", "across")}
        cells = base64.b64encode(drawn.cells.tobytes()).decode()
        return _json({**facts, "rows": rows, "columns": columns, "cells": cells})

    def _picture(self, request: Request) -> Response:
        from starlette.responses import Response

        view, step = self._made(request)
        if view is None:
            return Response(status_code=204)
        view.entry(view.step(step))  # refuses what lies elsewhere
        png = self._pictures.of(view.facts, step)
        if png is None:
            return Response(status_code=204)
        return Response(png, media_type="image/png")

    def _table(self, request: Request) -> Response:
        entry = self._entry(request)
        file = table_file(entry, _whole(request, "output"))
        if file is None:
            raise StoreError("the result has a table", place=str(entry.path))
        offset, limit = _whole(request, "offset"), _limit(request)
        try:
            page = self._tables.page(file, _query(request), offset=offset, limit=limit)
        except ParameterError as error:  # a value that somebody is typing is no fault of the page
            return _json({"problem": str(error)})
        return _json({name: getattr(page, name) for name in type(page).__slots__})

    def _made(self, request: Request) -> tuple[RunView | None, str]:
        """Return the run and the step that a request names, or that made the result it names."""
        if "place" in request.query_params:
            return self._store.maker(_text(request, "place"))
        return self._store.run(_text(request, "run")), _text(request, "step")

    def _entry(self, request: Request) -> Entry:
        """Return the result that a request names: by its place, or by a run and a step."""
        if "place" in request.query_params:
            return self._store.result(_text(request, "place"))[0]
        view = self._store.run(_text(request, "run"))
        return view.entry(view.step(_text(request, "step")))

    def _stream(self, request: Request) -> Response:
        from starlette.responses import StreamingResponse

        run = request.query_params.get("run")
        view = None if run is None else self._store.run(run)
        ask = self._store.runs if view is None else view.document
        every = _RUNS_SECONDS if view is None else _EVERY_SECONDS
        return StreamingResponse(self._told(ask, every), media_type="text/event-stream")

    async def _told(self, ask: Callable[[], dict[str, Any]], every: float) -> AsyncIterator[str]:
        """Yield what has changed, until the server ends; the page looks again for the rest."""
        from starlette.concurrency import run_in_threadpool

        last, quiet = "", 0.0
        while not self._is_stopping():
            try:
                document = await run_in_threadpool(ask)
            except ScutoidError as error:
                document = {"error": str(error)}
            text = as_json(document)
            same = as_json({**document, "now": None})
            if same != last:
                last, quiet = same, 0.0
                yield f"data: {text}\n\n"
            elif quiet > _BEAT_SECONDS:
                quiet = 0.0
                yield ": still there\n\n"
            pause = every if len(text) < _LONG else 4 * every
            quiet += pause
            await self._sleep(pause)

    async def _sleep(self, seconds: float) -> None:
        """Wait, but not when the server is to end."""
        for _ in range(max(round(seconds / 0.1), 1)):
            if self._is_stopping():
                return
            await asyncio.sleep(0.1)


def _json(content: Mapping[str, Any], status: int = 200) -> Response:
    from starlette.responses import Response

    return Response(as_json(dict(content)), status, media_type="application/json")


def as_json(document: object) -> str:
    """Write a document as browsers read it, whatever damaged files have put into it.

    Numbers that are not finite become null, and half characters are escaped.
    """
    try:
        return json.dumps(document, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(document))


def _finite(item: Any) -> Any:
    if isinstance(item, dict):
        return {name: _finite(value) for name, value in item.items()}
    if isinstance(item, (list, tuple)):
        return [_finite(value) for value in item]
    return None if isinstance(item, float) and not math.isfinite(item) else item


def _text(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if value is None:
        raise ParameterError("a request names what it asks for", value=f"no {name}")
    return value


def _whole(request: Request, name: str, default: int = 0) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ParameterError(f"{name} is a whole number, 0 or more", value=text)
    return int(text)


def _limit(request: Request) -> int:
    return min(max(_whole(request, "limit", 50), 1), _LIMIT)


def _query(request: Request) -> Query:
    """Read the order and the filters of a table: texts of a column, a comparison and a value."""
    filters = []
    for text in request.query_params.getlist("filter"):
        try:
            column, comparison, value = map(str, parse_json(text))
        except (ValueError, TypeError) as error:
            rule = "a filter is a column, a comparison and a value"
            raise ParameterError(rule, value=text) from error
        if comparison not in COMPARISONS:
            names = ", ".join(COMPARISONS)
            raise ParameterError(f"a comparison is one of {names}", value=comparison)
        filters.append(Filter(column, cast("Comparison", comparison), value))
    params = request.query_params
    return Query(params.get("sort") or None, params.get("descending") == "1", tuple(filters))
