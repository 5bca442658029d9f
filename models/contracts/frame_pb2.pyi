from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClockState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLOCK_UNSET: _ClassVar[ClockState]
    CLOCK_SYNCHRONISED: _ClassVar[ClockState]
    CLOCK_HOLDOVER: _ClassVar[ClockState]
CLOCK_UNSET: ClockState
CLOCK_SYNCHRONISED: ClockState
CLOCK_HOLDOVER: ClockState

class Reason(_message.Message):
    __slots__ = ("point", "share")
    POINT_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    point: str
    share: float
    def __init__(self, point: _Optional[str] = ..., share: _Optional[float] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("schema", "site", "gateway", "unit", "layout_id", "epoch", "seq", "prior_seq", "measured_at_ms", "interval_ms", "n", "samples", "wide", "quality", "crc32c", "jitter_ms", "last", "score", "reason", "model_version", "clock", "boottime_ms", "historical")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    PRIOR_SEQ_FIELD_NUMBER: _ClassVar[int]
    MEASURED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    WIDE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    CRC32C_FIELD_NUMBER: _ClassVar[int]
    JITTER_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    BOOTTIME_MS_FIELD_NUMBER: _ClassVar[int]
    HISTORICAL_FIELD_NUMBER: _ClassVar[int]
    schema: int
    site: str
    gateway: str
    unit: str
    layout_id: int
    epoch: int
    seq: int
    prior_seq: int
    measured_at_ms: int
    interval_ms: int
    n: int
    samples: bytes
    wide: bytes
    quality: _containers.RepeatedScalarFieldContainer[int]
    crc32c: int
    jitter_ms: _containers.RepeatedScalarFieldContainer[int]
    last: _containers.RepeatedScalarFieldContainer[float]
    score: float
    reason: _containers.RepeatedCompositeFieldContainer[Reason]
    model_version: str
    clock: ClockState
    boottime_ms: int
    historical: bool
    def __init__(self, schema: _Optional[int] = ..., site: _Optional[str] = ..., gateway: _Optional[str] = ..., unit: _Optional[str] = ..., layout_id: _Optional[int] = ..., epoch: _Optional[int] = ..., seq: _Optional[int] = ..., prior_seq: _Optional[int] = ..., measured_at_ms: _Optional[int] = ..., interval_ms: _Optional[int] = ..., n: _Optional[int] = ..., samples: _Optional[bytes] = ..., wide: _Optional[bytes] = ..., quality: _Optional[_Iterable[int]] = ..., crc32c: _Optional[int] = ..., jitter_ms: _Optional[_Iterable[int]] = ..., last: _Optional[_Iterable[float]] = ..., score: _Optional[float] = ..., reason: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ..., model_version: _Optional[str] = ..., clock: _Optional[_Union[ClockState, str]] = ..., boottime_ms: _Optional[int] = ..., historical: bool = ...) -> None: ...
