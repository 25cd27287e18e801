"""The shapes of blocks of threads, and of the tiles they work on."""

# Nearest centers: a block of SIDE x SIDE threads compares TILE rows with one tile of TILE centers after the other.
# Each thread holds the products of EACH rows and EACH centers in registers, as runs of RUN consecutive ones: so that
# four numbers come from shared memory in one instruction. Of a tile, FEATURES features are there at a time.
SIDE = 16
EACH = 8
RUN = 4
FEATURES = 8
TILE = SIDE * EACH
# The distance of two features of a tile in shared memory: more than TILE, or writes would meet in the same bank.
STRIDE = TILE + RUN
# In bytes: that of loads of four float32 numbers.
ALIGNMENT = 16

# Threads along one row, and rows of a block, where a row is read as a whole.
LANES = 32
TEAMS = 8

# Threads of a block that shares out items of a list. A power of two.
THREADS = 256

# Consecutive rows, in the order of their labels, that one thread adds up.
SEGMENT = 256
