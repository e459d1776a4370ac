"""One verdict for each distinct name on each kind of GPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from tcscope import hardware
from tcscope.model import Device, Verdict
from tcscope.rulebook import RuleBook


class Proof(Protocol):
    """Evidence that outranks what a name says: it returns a better verdict, or the one it is given."""

    def verdict(self, verdict: Verdict, name: str, sm: int | None, mangled: str = "") -> Verdict:
        """The verdict on a kernel of this name that ran on this architecture."""
        ...


class Judge:
    """The rulebook's verdicts on the kernels of one trace, each looked up once; `proof` outranks them."""

    def __init__(
        self, book: RuleBook, devices: Iterable[Device], mangled: Mapping[str, str], proof: Proof | None = None
    ) -> None:
        self._book = book
        self._proof = proof
        self._mangled = mangled
        self._sm = {device.index: device.sm for device in devices}
        self._gpus = {
            device.index: hardware.gpu(device.sm, chip=device.chip, name=device.name)
            for device in devices
            if device.sm is not None
        }
        self._verdicts: dict[tuple[str, int | None, hardware.Gpu | None], Verdict] = {}
        self._settled: dict[tuple[str, int], Verdict] = {}

    def verdict(self, name: str, device: int) -> Verdict:
        """The verdict on a kernel that ran on the GPU of this index."""
        if (name, device) in self._settled:
            return self._settled[name, device]
        sm, gpu = self._sm.get(device), self._gpus.get(device)
        key = name, sm, gpu
        if key not in self._verdicts:
            mangled = self._mangled.get(name, "")
            verdict = self._book.classify(name, sm, gpu=gpu, mangled=mangled)
            if self._proof is not None:
                proven = self._proof.verdict(verdict, name, sm, mangled)
                verdict = gpu.limit(proven) if gpu is not None else proven
            self._verdicts[key] = verdict
        return self._verdicts[key]

    def settle(self, verdicts: Mapping[tuple[str, int], Verdict]) -> None:
        """Take these verdicts, by name and GPU, for those of the rules from now on."""
        self._settled.update(verdicts)
