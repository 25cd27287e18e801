"""Numbers that float32 can't hold apart, such as times in seconds since 1970."""
