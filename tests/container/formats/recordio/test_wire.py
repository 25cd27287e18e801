"""The numbers by which messages are read without the protobuf library are those of its description."""

from container.formats.recordio import wire
from container.formats.recordio.record_pb2 import Float32Tensor, Float64Tensor, Int32Tensor, Record, Value


def test_tags_of_a_record() -> None:
    for name in ("features", "label", "uid", "metadata", "configuration"):
        assert getattr(wire, name.upper()) == wire.tag(Record.DESCRIPTOR.fields_by_name[name].number)
    entry = Record.DESCRIPTOR.fields_by_name["features"].message_type.fields_by_name
    assert [wire.tag(entry["key"].number), wire.tag(entry["value"].number)] == [wire.ENTRY_KEY, wire.ENTRY_VALUE]


def test_tags_of_a_tensor() -> None:
    for name, kind in (
        ("float32_tensor", Float32Tensor),
        ("float64_tensor", Float64Tensor),
        ("int32_tensor", Int32Tensor),
    ):
        assert getattr(wire, name.upper()) == wire.tag(Value.DESCRIPTOR.fields_by_name[name].number)
        fields = kind.DESCRIPTOR.fields_by_name
        assert [fields[field].number for field in ("values", "keys", "shape")] == [wire.VALUES, wire.KEYS, wire.SHAPE]


def test_bytes_of_a_message() -> None:
    record = Record(uid="a")
    assert record.SerializeToString() == bytes([wire.UID, 1]) + b"a"
