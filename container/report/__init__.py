"""The report of a job, output/data/report.html: a single file that loads nothing from the network."""

from container.report.facts import Facts
from container.report.page import NAME, write

__all__ = ["NAME", "Facts", "write"]
