"""`/healthz` (is the process alive; never asks the bus), `/readyz` (can it serve; asks everything it needs) and `/metrics` (Prometheus)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest

TASKS = Gauge("roomwire_tasks", "Asyncio tasks of the process")

Check = Callable[[], bool | Awaitable[bool]]


def health_router(checks: Mapping[str, Check], registry: CollectorRegistry = REGISTRY) -> APIRouter:
    """
    Routes for a service that is ready when every check says true. `/readyz` answers 503 and names the failing checks. `/metrics` shows `registry`
    and what the process says of itself. HEAD is answered as well: many who watch send nothing else.
    """
    router = APIRouter(include_in_schema=False)

    @router.api_route("/healthz", methods=["GET", "HEAD"])
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @router.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz() -> Response:
        failing = []
        for name, check in checks.items():
            try:
                result = check()
                good = result if isinstance(result, bool) else await result
            except Exception:  # a check that cannot be made is a check that fails
                good = False
            if not good:
                failing.append(name)
        return JSONResponse({"ready": not failing, "failing": failing}, status_code=503 if failing else 200)

    @router.get("/metrics")
    async def metrics() -> Response:
        TASKS.set(len(asyncio.all_tasks()))
        registries = dict.fromkeys((registry, REGISTRY))
        return Response(b"".join(map(generate_latest, registries)), media_type=CONTENT_TYPE_LATEST)

    return router
