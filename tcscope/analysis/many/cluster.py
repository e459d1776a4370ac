"""Files read by the workers of an existing Dask cluster: a path goes there, a report's JSON comes back."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tcscope import __version__
from tcscope.errors import UsageError

if TYPE_CHECKING:
    from distributed import Client, Future

_CONNECT_S = 15
_FETCH_S = 10
_POLL_S = 1
_TIMEOUT = (TimeoutError, asyncio.TimeoutError)  # two classes until Python 3.11
_NO_WORKERS_S = 60  # a job queue may take its time to start one, and a nanny to start one again


def read_there(paths: Sequence[str], question: str, scheduler: str) -> Iterator[tuple[int, str]]:
    """(place in `paths`, answer) of each file as it comes, read by the workers of the cluster at `scheduler`.

    Relative paths are taken from the folder of this process. Raises UsageError where there is no cluster to ask.
    """
    with _client(scheduler) as client:
        killed: list[int] = []
        for i, text in _answers(client, dict(enumerate(paths)), question):
            if text == KILLED:
                killed.append(i)
            else:
                yield i, text
        # Dask suspects whatever a dead worker had been given: read again one by one, only those that kill are lost
        for i in killed:
            yield from _answers(client, {i: paths[i]}, question) if len(killed) > 1 else ((i, KILLED),)


def _answers(client: Client, paths: Mapping[int, str], question: str) -> Iterator[tuple[int, str]]:
    work = _work()
    pending = {
        client.submit(work, os.path.abspath(path), question, __version__, pure=False): i for i, path in paths.items()
    }
    idle_since = time.monotonic()
    while pending:
        with client.as_current():  # `wait` asks the current client
            done = _done(list(pending))
        for future in done:
            text = _text(future)
            if text is not None:
                yield pending.pop(future), text
        if done or _has_workers(client):
            idle_since = time.monotonic()
        elif client.status != "running" or time.monotonic() - idle_since > _NO_WORKERS_S:
            yield from ((i, _failed("no worker of the cluster is left to read it")) for i in pending.values())
            return


def _work() -> Callable[[str, str, str], str]:
    """What a worker runs. It travels as it stands here, not as a name, so that it can say that tcscope is missing."""

    def read(path: str, question: str, version: str) -> str:
        import json
        import socket

        try:
            import tcscope
            from tcscope.analysis.many.answers import answer
        except ImportError as error:
            said = f"the worker on {socket.gethostname()} can't import tcscope ({error})"
            return json.dumps({"error": said, "hint": "pip install tcscope, in the workers' environment"})
        if tcscope.__version__ != version:  # its rules may judge otherwise
            said = f"the worker on {socket.gethostname()} has tcscope {tcscope.__version__}, not {version}"
            return json.dumps({"error": said, "hint": f"pip install tcscope=={version}, in the workers' environment"})
        return answer(path, question)

    return read


def _client(scheduler: str) -> Client:
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError as error:
        raise UsageError(f"--dask needs the package distributed ({error})", "pip install 'tcscope[dask]'") from error
    refused = UsageError(
        f"no Dask scheduler answers at {scheduler}",
        "start one with `dask scheduler` and workers with `dask worker tcp://HOST:8786`",
    )
    try:
        if not scheduler.startswith(("tcp://", "tls://")):
            raise refused
        # a Client that finds nobody there leaves threads behind, which complain when Python ends
        socket.create_connection(get_address_host_port(scheduler), _CONNECT_S).close()
        return Client(scheduler, timeout=_CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:  # a TimeoutError is an OSError
        raise refused from error


def _done(futures: list[Future[Any]]) -> list[Future[Any]]:
    from distributed import wait

    try:
        return list(wait(futures, timeout=_POLL_S, return_when="FIRST_COMPLETED").done)  # type: ignore[no-untyped-call]
    except _TIMEOUT:
        return []


def _has_workers(client: Client) -> bool:
    try:
        return bool(client.nthreads())  # type: ignore[no-untyped-call]
    except OSError:  # the scheduler is gone, too
        return False


def _text(future: Future[Any]) -> str | None:
    """A future's answer, or one that says why there is none; None where its worker died with it: it is read again."""
    from distributed import KilledWorker

    try:
        return str(future.result(timeout=_FETCH_S))
    except _TIMEOUT:
        return None
    except KilledWorker:
        return KILLED
    except Exception as error:  # whatever the cluster says of one file must not spoil the others
        first = str(error).partition("\n")[0][:200]
        return _failed(f"the cluster didn't read it: {type(error).__name__}{': ' if first else ''}{first}")


def _failed(said: str) -> str:
    return json.dumps({"error": said, "hint": "look into the workers' logs, or read it here without --dask"})


KILLED = _failed("the workers that read it were killed, perhaps for want of memory")
