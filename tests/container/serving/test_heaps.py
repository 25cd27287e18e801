"""The C library keeps the memory of a block for the next one."""

import ctypes
import subprocess
import sys

import pytest

WORK = """
import resource, sys
import numpy as np
from container.serving import heaps

if "settle" in sys.argv:
    heaps.settle()

def block():
    arrays = [np.ones(1 << 17) for _ in range(8)]

def page_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(3):
    block()
before = page_faults()
for _ in range(20):
    block()
print(page_faults() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not GNU's C library")
def test_pages_of_a_block_are_not_given_back_after_each() -> None:
    given_back, kept = (
        int(subprocess.run([sys.executable, "-c", WORK, *words], check=True, capture_output=True).stdout)
        for words in ([], ["settle"])
    )
    assert kept < given_back / 10
