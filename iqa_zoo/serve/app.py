"""The application: a page, and a JSON interface that the page uses as any program may."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, File, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

import iqa_zoo
from iqa_zoo.errors import InputError, IqaZooError
from iqa_zoo.inference.scorer import Scorer
from iqa_zoo.serve.answers import ErrorAnswer, MapAnswer, ModelAnswer, ScoresAnswer
from iqa_zoo.serve.guard import Guard, Refused, make_error
from iqa_zoo.serve.limits import MEGA, Limits, clean_name
from iqa_zoo.serve.scoring import ScoringPool

PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
DESCRIPTION = """Blind image quality: a photograph in, a score with an interval, a percentile, a word and flags out.

A score depends on the pixels of the photograph alone and equals that of `iqa_zoo.score`. Nothing that is sent is kept. A request that is
refused as a whole answers `{"error": {"code": ..., "message": ...}}`."""
ERRORS: dict[int | str, dict[str, Any]] = {
    408: {"model": ErrorAnswer, "description": "The request did not arrive in time."},
    413: {"model": ErrorAnswer, "description": "The request is too large, or has too many photographs."},
    503: {"model": ErrorAnswer, "description": "The server is busy."},
}
Models = Annotated[
    list[str] | None, Query(alias="model", description="Names of models; the first of the server if left out.")
]
Photographs = Annotated[list[UploadFile], File(description="Image files; their suffixes do not matter.")]
Photograph = Annotated[UploadFile, File(description="One image file.")]


def create_app(scorers: Mapping[str, Scorer], limits: Limits | None = None, hosts: Collection[str] = ()) -> FastAPI:
    """Create the application.

    Args:
        scorers: the models, by name; the first is the default.
        limits: of requests.
        hosts: names under which a browser may reach the server; empty for any.
    """
    limits = limits or Limits()
    pool = ScoringPool(scorers, limits)

    @asynccontextmanager
    async def live(_: FastAPI) -> AsyncIterator[None]:
        yield
        pool.close()

    app = FastAPI(
        title="iqa-zoo",
        version=iqa_zoo.__version__,
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's pages load scripts from other hosts
        redoc_url=None,
        lifespan=live,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.add_middleware(Guard, limits=limits, hosts=hosts)
    _add_errors(app)
    _add_page(app)
    _add_interface(app, pool, limits)
    return app


def _add_interface(app: FastAPI, pool: ScoringPool, limits: Limits) -> None:
    @app.get("/v1/health", summary="Whether the server is ready")
    async def health() -> dict[str, str]:
        return {"status": "ok", "version": iqa_zoo.__version__}

    @app.get("/v1/models", summary="The models that are loaded; the first is the default")
    async def models() -> list[ModelAnswer]:
        return [ModelAnswer.describe(name, scorer.meaning) for name, scorer in pool.scorers.items()]

    @app.get("/v1/limits", summary="What a request may hold")
    async def show_limits() -> Limits:
        return limits

    @app.post(
        "/v1/score",
        summary="Score photographs",
        response_model=ScoresAnswer,
        responses=ERRORS
        | {422: {"description": "None of the photographs could be scored; or the request lacks `photographs`."}},
    )
    async def score(photographs: Photographs, models: Models = None) -> Any:
        """Score photographs by one model or several. Each photograph that cannot be scored has an `error`; the others are scored."""
        chosen = pool.select(models)
        if len(photographs) > limits.photographs:
            raise Refused(
                413,
                "count",
                f"{len(photographs)} photographs in one request; at most {limits.photographs} are accepted",
            )
        answers = [
            await pool.score(await _read(each, limits), clean_name(each.filename), chosen) for each in photographs
        ]
        answer = ScoresAnswer(answers)
        if all(each.error for each in answers):
            return JSONResponse(asdict(answer), status_code=422)
        return answer

    @app.post(
        "/v1/map",
        summary="Quality by region of one photograph",
        responses=ERRORS | {422: {"model": ErrorAnswer, "description": "The photograph cannot be scored."}},
    )
    async def score_map(photograph: Photograph, model: str | None = None) -> MapAnswer:
        """Score overlapping regions of a photograph, each as if it were a photograph; several times the work of a score."""
        (chosen,) = pool.select([model] if model else None)
        return await pool.map(await _read(photograph, limits), clean_name(photograph.filename), chosen)


async def _read(photograph: UploadFile, limits: Limits) -> bytes:
    """Read a photograph that has arrived, and no more of it than shows that it is too large."""
    return await photograph.read(limits.file_megabytes * MEGA + 1)


def _add_page(app: FastAPI) -> None:
    @functools.cache
    def read(name: str) -> bytes:
        return (files("iqa_zoo.serve") / "page" / name).read_bytes()

    def add(path: str, name: str, kind: str) -> None:
        @app.get(path, include_in_schema=False)
        async def page() -> Response:
            return Response(read(name), media_type=kind)

    for path, (name, kind) in PAGE.items():
        add(path, name, kind)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Refused)
    async def refuse(_: Request, refused: Refused) -> JSONResponse:
        return JSONResponse(refused.to_dict(), refused.status_code, refused.headers)

    @app.exception_handler(HTTPException)
    async def answer_http(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(make_error("request", str(error.detail)), error.status_code, error.headers)

    @app.exception_handler(IqaZooError)
    async def answer_input(_: Request, error: IqaZooError) -> JSONResponse:
        code = "photograph" if isinstance(error, InputError) else "name"
        return JSONResponse(make_error(code, str(error)), 422)

    @app.exception_handler(RequestValidationError)
    async def answer_form(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(each) for each in first["loc"])
        return JSONResponse(make_error("form", f"{where}: {first['msg']}"), 422)
