"""The message Record of SageMaker's algorithms, for answers of an endpoint; version 3 of the SDK lacks it."""

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TYPES: Final = descriptor_pb2.FieldDescriptorProto
_PACKAGE: Final = "aialgs.data"
# By field of `Value`: its number, its name, its message, and the type of the values.
_TENSORS: Final = (
    (2, "float32_tensor", "Float32Tensor", _TYPES.TYPE_FLOAT),
    (3, "float64_tensor", "Float64Tensor", _TYPES.TYPE_DOUBLE),
    (7, "int32_tensor", "Int32Tensor", _TYPES.TYPE_INT32),
)


def _field(message: Any, number: int, name: str, kind: Any, *, repeated: bool = False, message_type: str = "") -> Any:
    return message.field.add(
        number=number,
        name=name,
        type=kind,
        label=_TYPES.LABEL_REPEATED if repeated else _TYPES.LABEL_OPTIONAL,
        type_name=f".{_PACKAGE}.{message_type}" if message_type else None,
    )


def _record_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="sagemaker_kmeans/record.proto", package=_PACKAGE, syntax="proto2")
    value = descriptor_pb2.DescriptorProto(name="Value")
    value.oneof_decl.add(name="value")
    for number, name, kind, numbers in _TENSORS:
        tensor = file.message_type.add(name=kind)
        for index, (part, content) in enumerate(
            (("values", numbers), ("keys", _TYPES.TYPE_UINT64), ("shape", _TYPES.TYPE_UINT64)), start=1
        ):
            _field(tensor, index, part, content, repeated=True).options.packed = True
        _field(value, number, name, _TYPES.TYPE_MESSAGE, message_type=kind).oneof_index = 0
    file.message_type.append(value)
    record = file.message_type.add(name="Record")
    for number, name in ((1, "features"), (2, "label")):
        entry = record.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        _field(entry, 1, "key", _TYPES.TYPE_STRING)
        _field(entry, 2, "value", _TYPES.TYPE_MESSAGE, message_type="Value")
        _field(record, number, name, _TYPES.TYPE_MESSAGE, repeated=True, message_type=f"Record.{entry.name}")
    for number, name in ((3, "uid"), (4, "metadata"), (5, "configuration")):
        _field(record, number, name, _TYPES.TYPE_STRING)
    # A pool of its own: version 2 of the SDK has the same names in the common one.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Record"))


Record: Final = _record_class()


def parsed(records: Iterator[memoryview]) -> list[Any]:
    """Return the messages of encoded records."""
    return [Record.FromString(bytes(record)) for record in records]
