"""output/data/report.html: what a job did and found, for people; one file that asks nothing of the network."""

from container.report.facts import Facts
from container.report.page import NAME, write

__all__ = ["NAME", "Facts", "write"]
