# ruff: noqa: A002 (`bytes` is a field of the schema)
from collections.abc import Iterable as _Iterable
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar

from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from google.protobuf.internal import containers as _containers

DESCRIPTOR: _descriptor.FileDescriptor

class Float32Tensor(_message.Message):
    __slots__ = ("keys", "shape", "values")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    keys: _containers.RepeatedScalarFieldContainer[int]
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(
        self,
        values: _Iterable[float] | None = ...,
        keys: _Iterable[int] | None = ...,
        shape: _Iterable[int] | None = ...,
    ) -> None: ...

class Float64Tensor(_message.Message):
    __slots__ = ("keys", "shape", "values")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    keys: _containers.RepeatedScalarFieldContainer[int]
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(
        self,
        values: _Iterable[float] | None = ...,
        keys: _Iterable[int] | None = ...,
        shape: _Iterable[int] | None = ...,
    ) -> None: ...

class Int32Tensor(_message.Message):
    __slots__ = ("keys", "shape", "values")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[int]
    keys: _containers.RepeatedScalarFieldContainer[int]
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(
        self, values: _Iterable[int] | None = ..., keys: _Iterable[int] | None = ..., shape: _Iterable[int] | None = ...
    ) -> None: ...

class Bytes(_message.Message):
    __slots__ = ("content_type", "value")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    value: _containers.RepeatedScalarFieldContainer[bytes]
    content_type: str
    def __init__(self, value: _Iterable[bytes] | None = ..., content_type: str | None = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("bytes", "float32_tensor", "float64_tensor", "int32_tensor")
    FLOAT32_TENSOR_FIELD_NUMBER: _ClassVar[int]
    FLOAT64_TENSOR_FIELD_NUMBER: _ClassVar[int]
    INT32_TENSOR_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    float32_tensor: Float32Tensor
    float64_tensor: Float64Tensor
    int32_tensor: Int32Tensor
    bytes: Bytes
    def __init__(
        self,
        float32_tensor: Float32Tensor | _Mapping | None = ...,
        float64_tensor: Float64Tensor | _Mapping | None = ...,
        int32_tensor: Int32Tensor | _Mapping | None = ...,
        bytes: Bytes | _Mapping | None = ...,
    ) -> None: ...

class Record(_message.Message):
    __slots__ = ("configuration", "features", "label", "metadata", "uid")
    class FeaturesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: str | None = ..., value: Value | _Mapping | None = ...) -> None: ...

    class LabelEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: str | None = ..., value: Value | _Mapping | None = ...) -> None: ...

    FEATURES_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    features: _containers.MessageMap[str, Value]
    label: _containers.MessageMap[str, Value]
    uid: str
    metadata: str
    configuration: str
    def __init__(
        self,
        features: _Mapping[str, Value] | None = ...,
        label: _Mapping[str, Value] | None = ...,
        uid: str | None = ...,
        metadata: str | None = ...,
        configuration: str | None = ...,
    ) -> None: ...
