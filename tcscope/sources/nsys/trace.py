"""An nsys SQLite export as tcscope reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tcscope.errors import TraceError
from tcscope.model import Attribution, Iterations, Launches, RangeLevel, Selected, Selection, TraceInfo
from tcscope.sources.nsys import tables as t
from tcscope.sources.nsys.absence import no_layers, nothing_selected, why_no_kernels
from tcscope.sources.nsys.activity import read_copies, read_graphs
from tcscope.sources.nsys.database import Database
from tcscope.sources.nsys.devices import DeviceMap, read_devices
from tcscope.sources.nsys.header import read_header
from tcscope.sources.nsys.sound import demand_sound
from tcscope.sources.nsys.totals import Key, Sums, sum_launches

if TYPE_CHECKING:
    from tcscope.model.inventory import Inventory
    from tcscope.sources.nsys.ranges import LaunchFilter
    from tcscope.sources.nsys.rows import Columns, Ints

Place = tuple[str, int, int]  # kernel name, device index, process id


class NsysTrace:
    """One export. `sm` is the compute capability of GPUs of which the trace doesn't know it.

    `path` is the user's file; `copy` is where its SQLite export lies if that is another file.
    """

    def __init__(self, path: Path, sm: int | None = None, copy: Path | None = None) -> None:
        self.path = path
        self.db = Database(path, copy)
        self._sm = sm
        self._rows: dict[Selection, Columns] = {}
        self._groups: dict[Selection, list[tuple[tuple[int, ...], Columns]]] = {}
        self._filters: dict[Selection, LaunchFilter] = {}
        if not any(table in self.db.tables for table in (t.STRINGS, t.KERNEL, *t.EXPORT_TABLES)):
            raise TraceError(
                f"{path} is an SQLite file, but no nsys export: it has no table {t.STRINGS}",
                "make one with `nsys export --type sqlite FILE.nsys-rep`",
            )
        demand_sound(self.db)

    @cached_property
    def devices(self) -> DeviceMap:
        """The trace's GPUs."""
        return read_devices(self.db, self._sm)

    @property
    def has_metrics(self) -> bool:
        """Whether GPU metrics were sampled."""
        return self.db.has(t.METRICS, "timestamp", "typeId", "metricId", "value") and t.METRIC_NAMES in self.db.tables

    def info(self) -> TraceInfo:
        """What the trace says of itself and of the machine it was captured on."""
        return read_header(self.db)

    def select(self, selection: Selection) -> Selected:
        """The selected launches, summed. Raises TraceError where there are none, with the reason and the remedy."""
        launched = self._launch_filter(selection)
        lost: Sums = {}
        if selection.is_whole and selection not in self._rows:
            self.demand_kernels()
            sums = sum_launches(self.db)
        else:
            from tcscope.sources.nsys.rows import sum_rows

            sums = sum_rows(self._chosen_rows(selection))
            if launched is not None:
                rows = self._chosen_rows(replace(selection, range=None, skip=0))
                lost = self._taken(sum_rows(rows.where(~launched.is_placed(rows))), selection)
        taken = self._taken(sums, selection)
        graphs = tuple(g for g in read_graphs(self.db, self.devices, launched) if selection.takes(g.device))
        if not taken:
            raise nothing_selected(self.path, selection, {self._device_of(key) for key in sums}, graphs, launched)
        return Selected(
            launches=self._named(taken),
            copies=tuple(c for c in read_copies(self.db, self.devices, launched) if selection.takes(c.device)),
            graphs=graphs,
            negative=sum(s.negative for s in taken.values()),
            unplaced=sum(s.launches for s in lost.values()),
            unplaced_ns=sum(s.ns for s in lost.values()),
        )

    def durations(self, selection: Selection) -> Iterator[tuple[Place, Ints]]:
        """The ns of each selected launch, by kernel, device and process: a second pass, for medians."""
        for place, group in self._placed_rows(selection):
            yield place, group.ns

    def busy_ns(self, selection: Selection) -> int:
        """The union of the selected launches' intervals in ns, summed over devices."""
        from tcscope.sources.nsys.rows import union_ns

        by_device: dict[int, list[Columns]] = {}
        for (_, device, _), group in self._placed_rows(selection):
            by_device.setdefault(device, []).append(group)
        return sum(union_ns(groups) for groups in by_device.values())

    def attribute(self, selection: Selection, level: RangeLevel) -> tuple[Attribution, Iterations | None]:
        """The selected launches by the NVTX ranges of a level in which they were launched; and the inferences."""
        from tcscope.sources.nsys.attribution import attribute

        found, iterations = attribute(self.db, self.devices, self._chosen_rows(selection), level, selection.range)
        taken = tuple(part for part in found.parts if selection.takes(part.device))
        lost = tuple(part for part in found.sequences if selection.takes(part.device))
        return replace(found, parts=taken, sequences=lost), iterations

    def why_no_layers(self, graph_ns: int, unplaced_ns: int) -> TraceError:
        """Why no launch lies in a layer, given the time launched by CUDA graphs and that without a launch call."""
        return no_layers(self.db, graph_ns, unplaced_ns)

    def mangled_names(self) -> dict[str, str]:
        """Each kernel's mangled name by its demangled one, where the export has it."""
        if not self.db.has(t.KERNEL, "demangledName", "mangledName"):
            return {}
        pairs = self.db.rows(f"select demangledName, max(mangledName) from {t.KERNEL} group by demangledName")
        by_id = {name: mangled for name, mangled in pairs if isinstance(name, int) and isinstance(mangled, int)}
        texts = self.db.strings({*by_id, *by_id.values()})
        return {texts[name]: texts[mangled] for name, mangled in by_id.items() if name in texts and mangled in texts}

    def demand_kernels(self) -> None:
        """Raise TraceError, with the reason, where the export holds no kernel."""
        columns = ("demangledName", "deviceId", "start", "end")
        if not self.db.has(t.KERNEL, *columns) or not list(self.db.rows(f"select 1 from {t.KERNEL} limit 1")):
            raise why_no_kernels(self.db)

    def inventory(self) -> Inventory:
        """Counts of everything that the trace holds."""
        from tcscope.sources.nsys.inventory import take_inventory

        return take_inventory(self.db, self.devices)

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()

    def _launch_filter(self, selection: Selection) -> LaunchFilter | None:
        """What the range selects, which takes a look at every API call; found once."""
        if selection.range is None:
            return None
        from tcscope.sources.nsys.ranges import range_filter

        if selection not in self._filters:
            self._filters[selection] = range_filter(self.db, selection)
        return self._filters[selection]

    def _chosen_rows(self, selection: Selection) -> Columns:
        """The launches of a range, or all but the first, one by one and on any device; read once."""
        from tcscope.sources.nsys.rows import KERNEL_COLUMNS, read_columns, skip_first

        if selection not in self._rows:
            whole = replace(selection, range=None, skip=0)
            launched = self._launch_filter(selection)
            if not selection.is_whole:
                rows = self._chosen_rows(whole)
                chosen = skip_first(rows, selection.skip) if launched is None else rows.where(launched.mask(rows))
            else:
                self.demand_kernels()
                chosen = read_columns(self.db, t.KERNEL, KERNEL_COLUMNS)
            self._rows[selection] = chosen
        return self._rows[selection]

    def _placed_rows(self, selection: Selection) -> Iterator[tuple[Place, Columns]]:
        """Start and end of the selected launches by kernel, device and process; grouped once."""
        from tcscope.sources.nsys.rows import Columns, groups

        if selection not in self._groups:
            keys = ("demangledName", "deviceId", "globalPid")
            rows = self._chosen_rows(selection)
            times = Columns({name: rows[name] for name in (*keys, "start", "end")})
            self._groups[selection] = list(groups(times, keys))
        found = self._groups[selection]
        names = self.db.kernel_names({name for (name, _, _), _ in found})
        for (name, ordinal, global_pid), group in found:
            place = names[name], *self.devices.place(ordinal, global_pid)
            if selection.takes(place[1]):
                yield place, group

    def _taken(self, sums: Sums, selection: Selection) -> Sums:
        """The sums on the devices that were asked for."""
        return {key: s for key, s in sums.items() if selection.takes(self._device_of(key))}

    def _device_of(self, key: Key) -> int:
        _, ordinal, global_pid = key
        return self.devices.place(ordinal, global_pid)[0]

    def _named(self, sums: Sums) -> tuple[Launches, ...]:
        """The sums with names for ids and devices for ordinals."""
        names = self.db.kernel_names({name for name, _, _ in sums})
        by_place: dict[Place, Launches] = {}
        for (name, ordinal, global_pid), s in sums.items():
            place = names[name], *self.devices.place(ordinal, global_pid)
            new = Launches(*place, s.launches, s.ns, s.min_ns, s.max_ns)
            by_place[place] = by_place[place].joined(new) if place in by_place else new
        return tuple(by_place.values())
