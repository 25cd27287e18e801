"""CSV: lines of numbers without a header.

In reading order:

- `parser`: the reference, which also says what is wrong with a line
- `decode_kernel`: the fast path of training, in machine code, for plain lines
- `line_kernel`: where to cut a file into pieces of lines that are decoded by several threads
"""
