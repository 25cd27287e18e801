"""Sums of weights in the buckets of a histogram, of which few of very many are filled: pages of neighboring buckets.

A hash table finds the page of a bucket. It is small, and so are the pages that most rows belong to: both stay in a
core's cache.
"""

from kmeans.kernels.jit import kernel
from kmeans.types import DoubleArray, LabelArray

# A bucket is a number of this many bits, and those of a page differ in the last ones.
BUCKET_BITS, PAGE_BITS = 20, 6
PAGE_BUCKETS = 1 << PAGE_BITS
# Marks a slot of the hash table without a page.
FREE = -1
# Numbers of 31 bits times this one are spread evenly (Knuth, volume 3, section 6.4). Products have up to 63 bits; the
# lowest ones are dropped, since few bits of a key decide them.
_KEPT, _SPREADING, _DROPPED = (1 << 31) - 1, 2_654_435_761, 20


@kernel(
    "UniTuple(int64, 2)(int64[::1], int64[::1], int64, float64[::1], int64[::1], int64[::1], float64[:, ::1], int64)"
)
def add_weights(
    labels: LabelArray,  # IN (n,)
    bits: LabelArray,  # IN (n,): of float64 numbers that are not negative
    dropped_bits: int,  # IN: the numbers of a bucket differ in no more than these
    weights: DoubleArray,  # IN (n,), or (1,) for all
    slots: LabelArray,  # INOUT (m,): numbers of pages; m is a power of 2 and more than p
    keys: LabelArray,  # INOUT (p,): the label of each page, and the first bits of its buckets
    totals: DoubleArray,  # INOUT (p, PAGE_BUCKETS)
    n_pages: int,  # IN: the number of pages so far
) -> tuple[int, int]:
    """Add weights to those of their buckets; return for how many, fewer than n if there is no page, and the pages."""
    mask = len(slots) - 1
    for i in range(len(labels)):
        bucket = (labels[i] << BUCKET_BITS) | (bits[i] >> dropped_bits)
        key = bucket >> PAGE_BITS
        slot = (((key ^ (key >> 31)) & _KEPT) * _SPREADING >> _DROPPED) & mask
        while slots[slot] != FREE and keys[slots[slot]] != key:
            slot = (slot + 1) & mask
        page = slots[slot]
        if page == FREE:
            if n_pages == len(keys):
                return i, n_pages
            page = n_pages
            slots[slot], keys[page] = page, key
            n_pages += 1
        totals[page, bucket & (PAGE_BUCKETS - 1)] += weights[i] if len(weights) > 1 else weights[0]
    return len(labels), n_pages
