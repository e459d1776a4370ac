"""Packets of Perfetto's trace format, made by its own protobuf classes; all but an event's time is made once.

An event's packet is a fixed frame around its timestamp, so that millions are put together without a protobuf object
each: https://perfetto.dev/docs/reference/synthetic-track-event, https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tcscope.errors import UsageError
from tcscope.model.timeline import Row, SliceKind, Track
from tcscope.render.perfetto.colours import correlation_id
from tcscope.render.perfetto.words import arguments, category, colour_word, cut_off, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tcscope.model.timeline import Ints

_SEQUENCE = 1  # all events are of one writer, whose interned strings they share
_TRACKS = 2  # the writer of the tracks: a thread that the events' writer describes would be taken for its own
_PACKET = b"\x0a"  # field 1 of Trace: a packet, its length in front
_TIMESTAMP = b"\x40"  # field 8 of TracePacket: a varint
_LARGEST_ID = 1 << 31  # of a process or thread that Perfetto takes

Frame = tuple[bytes, bytes]  # what comes before and behind the timestamp


def protocol() -> Any:
    """The module of Perfetto's protobuf classes. Raises UsageError where it is not installed."""
    try:
        from perfetto.protos.perfetto.trace import perfetto_trace_pb2
    except ImportError as error:
        raise UsageError(
            f"a Perfetto timeline needs the package perfetto ({error})",
            "pip install 'tcscope[timeline]'  # or: --format chrome, which needs nothing",
        ) from error
    return perfetto_trace_pb2


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def assembled(frames: Sequence[Frame], which: Ints, ts: Ints, width: int) -> bytes:
    """Packets one behind the other: for each the frame of that number around its time, in `width` bytes.

    A number smaller than that is filled with zeros, which protobuf allows. The frames lie one behind the other in a
    pool, from which the bytes of all packets are taken at once.
    """
    import numpy as np

    pool = np.frombuffer(b"".join(pre + bytes(width) + post for pre, post in frames), dtype=np.uint8)
    sizes = np.array([len(pre) + width + len(post) for pre, post in frames], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    size = sizes[which]
    place = np.cumsum(size) - size
    found = pool[np.arange(int(size.sum())) + np.repeat(starts[which] - place, size)]
    digit = place + np.array([len(pre) for pre, _ in frames], dtype=np.int64)[which]
    rest = ts.copy()
    for last in range(width - 1, -1, -1):
        found[digit] = (rest & 0x7F) | (0x80 if last else 0)
        digit += 1
        rest >>= 7
    packets: bytes = found.tobytes()
    return packets


def _frame(packet: Any, width: int) -> Frame:
    rest: bytes = packet.SerializeToString()
    return _PACKET + varint(len(_TIMESTAMP) + width + len(rest)) + _TIMESTAMP, rest


class Packets:
    """Makes packets, and keeps what was interned. `width` is the number of bytes of a timestamp in a frame."""

    def __init__(self) -> None:
        self._pb = protocol()
        self._interned: dict[tuple[str, str], int] = {}

    def begin(self) -> bytes:
        """The first packet: no string was interned before."""
        packet = self._packet()
        packet.sequence_flags = self._pb.TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
        packet.first_packet_on_sequence = True
        return self._whole(packet)

    def track(self, track: Track) -> bytes:
        """The description of a track."""
        packet = self._pb.TracePacket(trusted_packet_sequence_id=_TRACKS)
        found = packet.track_descriptor
        found.uuid = track.id
        if track.row is Row.PROCESS and 0 < track.process < _LARGEST_ID:
            found.process.pid = track.process
        elif track.row is Row.THREAD and track.process > 0 and 0 < track.thread < _LARGEST_ID:
            found.thread.pid, found.thread.tid = track.process, track.thread
        else:
            found.name = cut_off(track.name)
            if track.parent is not None:
                found.parent_uuid = track.parent
        if track.row is Row.COUNTER:
            found.counter.unit_name = track.unit
        if track.row is Row.GPU:
            found.child_ordering = self._pb.TrackDescriptor.EXPLICIT
        found.sibling_order_rank = track.rank
        return self._whole(packet)

    def slice(self, kind: SliceKind) -> tuple[bytes, bytes]:
        """What must be interned before a slice of this kind, and its event without its track."""
        event, interned = self._pb.TrackEvent(), self._pb.InternedData()
        event.type = self._pb.TrackEvent.TYPE_SLICE_BEGIN
        event.name_iid = self._intern(interned, "event_names", label(kind))
        event.category_iids.append(self._intern(interned, "event_categories", category(kind)))
        word = correlation_id(colour_word(kind))
        event.correlation_id_str_iid = self._intern(interned, "correlation_id_str", word)
        for name, value in arguments(kind).items():
            note = event.debug_annotations.add()
            note.name_iid = self._intern(interned, "debug_annotation_names", name)
            if isinstance(value, int):
                note.int_value = value
            else:
                note.string_value_iid = self._intern(interned, "debug_annotation_string_values", value)
        packet = self._packet(interned_data=interned)
        return self._whole(packet) if interned.ByteSize() else b"", event.SerializeToString()

    def frame(self, track: int, event: bytes, width: int) -> Frame:
        """The frame of an event on a track."""
        packet = self._packet(track_event=self._pb.TrackEvent.FromString(event))
        packet.track_event.track_uuid = track
        return _frame(packet, width)

    def end(self, track: int, width: int) -> Frame:
        """The frame of the end of a slice."""
        packet = self._packet()
        packet.track_event.type = self._pb.TrackEvent.TYPE_SLICE_END
        packet.track_event.track_uuid = track
        return _frame(packet, width)

    def sample(self, track: int, value: int, width: int) -> Frame:
        """The frame of a counter's value."""
        packet = self._packet()
        packet.track_event.type = self._pb.TrackEvent.TYPE_COUNTER
        packet.track_event.track_uuid = track
        packet.track_event.counter_value = value
        return _frame(packet, width)

    def _packet(self, **fields: Any) -> Any:
        needs = self._pb.TracePacket.SEQ_NEEDS_INCREMENTAL_STATE
        return self._pb.TracePacket(trusted_packet_sequence_id=_SEQUENCE, sequence_flags=needs, **fields)

    def _whole(self, packet: Any) -> bytes:
        body: bytes = packet.SerializeToString()
        return _PACKET + varint(len(body)) + body

    def _intern(self, interned: Any, field: str, text: str) -> int:
        """The number of a text, which is added to `interned` if it is new."""
        key = field, text
        if key not in self._interned:
            self._interned[key] = len(self._interned) + 1
            entry = getattr(interned, field).add()
            entry.iid = self._interned[key]
            if field in ("debug_annotation_string_values", "correlation_id_str"):
                entry.str = text.encode()
            else:
                entry.name = text
        return self._interned[key]
