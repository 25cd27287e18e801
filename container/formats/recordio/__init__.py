"""Protobuf records in RecordIO frames."""
