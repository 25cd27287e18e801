"""What computes with the rows of this host: the one place where the kind of assigner is chosen."""

from dataclasses import dataclass, replace

from kmeans.assignment.assigner import Assigner
from kmeans.assignment.compiled import CompiledAssigner
from kmeans.assignment.plain import PlainAssigner
from kmeans.kernels.jit import INTERPRETED
from kmeans.threads import ONE_THREAD, Threads
from kmeans.types import DoubleArray, FloatArray


@dataclass(frozen=True)
class Engine:
    """Makes assigners for the rows of a job.

    Attributes
    ----------
    threads : Threads
        The threads that assigners use, and other work of finalization too.
    shift : ndarray of float32, shape (d,)
        Usual values of the rows; see `kmeans.assignment.shift.usual_values`.
    """

    threads: Threads
    shift: FloatArray

    def assigner(self, centers: DoubleArray) -> Assigner:
        """Return an assigner of rows to centers, float64 (K, d)."""
        return PlainAssigner(centers) if INTERPRETED else CompiledAssigner(centers, self.shift, self.threads)

    def on_one_thread(self) -> "Engine":
        """Return an engine for work that is itself one of several pieces, each in a thread of its own."""
        return replace(self, threads=ONE_THREAD)
