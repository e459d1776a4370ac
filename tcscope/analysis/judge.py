"""One verdict for each distinct name on each kind of GPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tcscope import hardware
from tcscope.model import Device, Verdict
from tcscope.rulebook import RuleBook


class Judge:
    """The rulebook's verdicts on the kernels of one trace, each looked up once."""

    def __init__(self, book: RuleBook, devices: Iterable[Device], mangled: Mapping[str, str]) -> None:
        self._book = book
        self._mangled = mangled
        self._sm = {device.index: device.sm for device in devices}
        self._gpus = {
            device.index: hardware.gpu(device.sm, chip=device.chip, name=device.name)
            for device in devices
            if device.sm is not None
        }
        self._verdicts: dict[tuple[str, int | None, hardware.Gpu | None], Verdict] = {}

    def verdict(self, name: str, device: int) -> Verdict:
        """The verdict on a kernel that ran on the GPU of this index."""
        sm, gpu = self._sm.get(device), self._gpus.get(device)
        key = name, sm, gpu
        if key not in self._verdicts:
            self._verdicts[key] = self._book.classify(name, sm, gpu=gpu, mangled=self._mangled.get(name, ""))
        return self._verdicts[key]
