"""RecordIO-protobuf: frames, the Record messages in them, and the rows that these hold.

In reading order:

- `wire`, `record.proto`: the bytes of frames and messages, and the messages' fields; `record_pb2` is generated
- `frames`: the reference for frames
- `records`: the reference for records; every other module leaves to it what is not plain
- `layout`: frames that differ only in their numbers, with numpy
- `messages`, `lockstep`, `spans`: many records of a request at once, with numpy
- `frame_kernel`, `record_kernel`, `wire_kernel`: the fast path of training, in machine code
- `sparse_kernel`: writing sparse records, in machine code
"""
