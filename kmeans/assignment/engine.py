"""What computes with the rows of this host: the one place where the kind of assigner is chosen."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kmeans.assignment.assigner import Assigner
from kmeans.assignment.compiled import CompiledAssigner
from kmeans.assignment.plain import PlainAssigner
from kmeans.kernels.jit import INTERPRETED
from kmeans.threads import ONE_THREAD, Threads
from kmeans.types import DoubleArray, FloatArray
from kmeans.unit_length import scaled_to_unit

if TYPE_CHECKING:
    # Imports CUDA.
    from kmeans.gpu.device import Gpu

# Products of a row from which a GPU is used: with fewer, a row is not worth its copy. Estimated, not yet measured.
MIN_GPU_PRODUCTS = 1 << 17
# Rows of a mini-batch from which it is worth copying the centers to the GPU, and the sums back. Estimated too.
MIN_GPU_ROWS = 1 << 10


@dataclass(frozen=True)
class Engine:
    """Makes assigners for the rows of a job.

    Attributes
    ----------
    threads : Threads
        The threads that assigners use, and other work of finalization too.
    shift : ndarray of float32, shape (d,)
        Usual values of the rows; see `kmeans.assignment.shift.usual_values`.
    gpu : Gpu or None
        The GPU for products that are worth it; without one all are left to the CPU.
    spherical : bool
        Whether rows, of length 1, are compared with centers scaled to length 1, as in spherical k-means.
    """

    threads: Threads
    shift: FloatArray
    gpu: "Gpu | None" = None
    spherical: bool = False

    @property
    def compiled(self) -> bool:
        """Whether kernels are compiled."""
        return not INTERPRETED

    def assigner(self, centers: DoubleArray) -> Assigner:
        """Return an assigner of rows to centers, float64 (K, d), where `placed` puts them."""
        centers = self.placed(centers)
        if self.gpu is not None and pays_on_gpu(*centers.shape):
            from kmeans.gpu.assigner import GpuAssigner

            return GpuAssigner(centers, self.shift, self.gpu)
        return CompiledAssigner(centers, self.shift, self.threads) if self.compiled else PlainAssigner(centers)

    def placed(self, centers: DoubleArray) -> DoubleArray:
        """Return centers, float64 (K, d), where rows are compared with them: scaled to length 1 if spherical."""
        if not self.spherical:
            return centers
        placed = scaled_to_unit(centers)
        # Rows that add up to nothing are equally far, in the mean, from all points of length 1.
        placed[~placed.any(axis=1), 0] = 1.0
        return placed

    def on_one_thread(self) -> "Engine":
        """Return an engine for work that is itself one of several pieces, each in a thread of its own."""
        return replace(self, threads=ONE_THREAD)


def pays_on_gpu(n_centers: int, n_features: int) -> bool:
    """Return whether a GPU assigns rows to `n_centers` centers faster."""
    return n_centers * n_features >= MIN_GPU_PRODUCTS
