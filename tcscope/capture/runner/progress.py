"""Signs of life of a build, which takes seconds to hours: a line that counts on a terminal, a few lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

TERMINAL = "TCSCOPE_TERMINAL"  # set by the program that started the runner, where a person watches
_FIRST_S = 15.0


class Progress:
    """Tells on stderr how long the work inside a `with` takes, and which phase it is in where that is known."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._begun = time.monotonic()
        self._over = threading.Event()
        self._phases: dict[str, tuple[int, int]] = {}  # those begun, the outermost first: steps done, and all steps
        self._lock = threading.Lock()  # TensorRT tells of its phases from several threads
        self._thread = threading.Thread(target=self._tell, daemon=True)

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._begun

    def __enter__(self) -> Progress:
        self._begun = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        self._thread.join()

    def begin(self, phase: str, steps: int) -> None:
        """A phase begins."""
        with self._lock:
            self._phases[phase] = (0, steps)

    def step(self, phase: str, step: int) -> None:
        """A step of it is done, counted from 0."""
        with self._lock:
            if phase in self._phases:
                self._phases[phase] = (step + 1, self._phases[phase][1])

    def end(self, phase: str) -> None:
        """It is over."""
        with self._lock:
            self._phases.pop(phase, None)

    def line(self) -> str:
        """`building model.fp16.plan: 45 s, Building Engine 3/7`."""
        with self._lock:
            phase = "".join(f", {name} {done}/{steps}" for name, (done, steps) in list(self._phases.items())[:1])
        return f"{self._what}: {self.seconds:.0f} s{phase}"

    def _tell(self) -> None:
        watched = bool(os.environ.get(TERMINAL))
        pause = 1.0 if watched else _FIRST_S
        while not self._over.wait(pause):
            if watched:
                sys.stderr.write(f"\r{self.line()[:78]:<78}\r")
                sys.stderr.flush()
            else:
                print(f"note: {self.line()}", file=sys.stderr, flush=True)
                pause *= 2
        if watched:
            sys.stderr.write(f"\r{'':<78}\r")
            sys.stderr.flush()


def watch(trt: Any, config: Any, progress: Progress) -> Any:
    """Have TensorRT 10 or newer tell of its phases; what is returned must outlive the build."""
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc] # TensorRT is another interpreter's
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.begin(phase_name, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            progress.step(phase_name, step)
            return True  # go on

        def phase_finish(self, phase_name: str) -> None:
            progress.end(phase_name)

    config.progress_monitor = Monitor()
    return config.progress_monitor
