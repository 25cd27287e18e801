"""RecordIO-protobuf: frames, the Record messages in them, and the rows that these hold."""
