"""A redis-server of the tests' own: on a free port of this machine, keeping nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from types import TracebackType
from typing import Self, cast

import redis

from tests.support import needs_program


class RedisServer:
    """A process that can be stalled, killed and started again at the same address."""

    def __init__(self, password: str | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.password = password
        credentials = f":{password}@" if password else ""
        self.url = f"redis://{credentials}127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        if self.password:
            options += ["--requirepass", self.password]
        self._process = subprocess.Popen(
            ["redis-server", *map(str, options)],
            cwd="/",
            # Debian's Redis does not start under faketime, so its clock is the true one.
            env={name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        patience = time.monotonic() + 10
        while True:
            try:
                with self.client() as client:
                    client.ping()
                    return
            except redis.ConnectionError:
                if time.monotonic() > patience or self._process.poll() is not None:
                    raise
                time.sleep(0.01)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True)

    def now(self) -> float:
        """Ask for the time: the server's clock is the one that counts."""
        with self.client() as client:
            seconds, micros = cast("tuple[int, int]", client.time())
        return seconds + micros / 1e6

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        needs_program("redis-server")
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
