"""The parts of a step of several hosts: CPU time on one core, and the time of a step that follows from them."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import thread_time

import numpy as np

from benchmarks.blobs import frame_bytes, write_job
from benchmarks.cores_contenders import BATCH_ROWS, stream_settings
from benchmarks.exchanges import Exchanges
from benchmarks.measure import memory_folder
from container.channels.channel import Channel
from container.channels.form import RecordForm
from container.channels.reading import Reading
from container.configuration.channels import RECORDIO, ChannelConfiguration
from kmeans.assignment.shift import usual_values
from kmeans.communicator import SingleHost, nothing
from kmeans.kernels.far_rows import EXTRA
from kmeans.stream.adding import join_shares
from kmeans.stream.center_ranges import center_ranges
from kmeans.stream.piece_sums import n_pieces
from kmeans.stream.reassignment import MAX_ROWS, outlier_distance
from kmeans.stream.reservoir import Reservoir
from kmeans.stream.sharing import most_batches
from kmeans.stream.start import StreamStart
from kmeans.stream.stream import Stream
from kmeans.stream.unpacking import MIN_BYTES
from kmeans.threads import Threads
from kmeans.types import DoubleArray

# Mini-batches before those that are measured, and their number.
BEFORE, MEASURED = 20, 40
# Calls of threads to measure, and threads of the smaller and the larger number.
CALLS, FEW, MANY = 300, 4, 20
# How often the end of a step hands out work to threads: to move centers, to compare them and to lay them out.
CALLS_OF_STEP = 3
# A sample of many rows takes about this part of the next ones.
SAMPLED = 1 / 256


class TimedMap(Threads):
    """One thread that measures how long it does what several could share."""

    seconds = 0.0

    def map(self, function: Callable[..., object], items: Iterable[object]) -> list[object]:  # type: ignore[override]
        """See `Threads.map`."""
        began = thread_time()
        results = [function(item) for item in items]
        self.seconds += thread_time() - began
        return results


class CountedSums(SingleHost):
    """A single host that counts what several would exchange."""

    count = 0

    def sum(self, values: DoubleArray, meanwhile: Callable[[], bool] = nothing) -> None:
        """See `Communicator.sum`."""
        self.count += 1
        super().sum(values, meanwhile)


@dataclass(frozen=True)
class Parts:
    """Seconds of CPU time on one core, for mini-batches of one shape.

    Attributes
    ----------
    n_features, n_centers : int
        The shape.
    reading : float
        To read and decode a mini-batch, which the threads share.
    computing : float
        To assign the rows and to add them up, which the threads share.
    sampling : float
        To offer them to the sample, which one thread does.
    shared : float
        At the end of a step, what the threads share: moving centers, comparing them, and laying them out.
    alone : float
        At the end of a step, all else.
    call : float
        To hand out work to one more thread.
    far : float
        The share of steps in which far rows are exchanged.
    """

    n_features: int
    n_centers: int
    reading: float
    computing: float
    sampling: float
    shared: float
    alone: float
    call: float
    far: float

    @property
    def row_bytes(self) -> int:
        """The bytes of a row in a file."""
        return frame_bytes(self.n_features)

    def batches(self, n_hosts: int) -> int:
        """Return how many mini-batches of a host make a step."""
        return 1 if n_hosts == 1 else most_batches(stream_settings(self.n_centers, self.n_features), n_hosts)

    def exchanged_bytes(self, n_hosts: int) -> int:
        """Return the bytes that a host adds to those of others at each step."""
        facts = 4 + 2 * n_hosts + EXTRA * n_hosts * max(1, MAX_ROWS // n_hosts)
        return 8 * (self.n_centers * (self.n_features + 2) + facts)

    def alone_seconds(self, n_cores: int) -> float:
        """Return the seconds of a mini-batch on a host that exchanges nothing, and takes them in groups."""
        computing = (self.reading + self.computing) * self._share(n_cores)
        return computing + self.shared / len(self._ranges(n_cores)) + self.sampling / n_cores

    def computing_seconds(self, n_hosts: int, n_cores: int) -> float:
        """Return the seconds of a step in which the mini-batches of a host are read, assigned and added up."""
        # To read rows, to assign them, and to add them up.
        reading = min(n_cores, max(1, BATCH_ROWS * self.row_bytes // MIN_BYTES))
        joining = max(1, min(n_cores, join_shares(self._pieces, self.n_centers, self.n_features)))
        calls = reading + min(n_cores, self._pieces) + joining - 3
        each = self.reading / reading + self.computing * self._share(n_cores) + self.call * calls + self.sampling
        return self.batches(n_hosts) * each

    def ending_seconds(self, n_cores: int) -> float:
        """Return the seconds of the end of a step, without the exchange."""
        n_ranges = len(self._ranges(n_cores))
        return self.alone + self.shared / n_ranges + CALLS_OF_STEP * self.call * (n_ranges - 1)

    def exchange_seconds(self, exchanges: Exchanges, n_hosts: int, bandwidth: float) -> float:
        """Return the seconds of the exchanges of a step."""
        rows_bytes = 8 * MAX_ROWS * (self.n_features + EXTRA)
        seconds = exchanges.seconds(n_hosts, self.exchanged_bytes(n_hosts), bandwidth)
        return seconds + self.far * exchanges.seconds(n_hosts, rows_bytes, bandwidth)

    @property
    def _pieces(self) -> int:
        return n_pieces(BATCH_ROWS, self.n_centers, self.n_features)

    def _share(self, n_cores: int) -> float:
        """Return the part of the pieces of a mini-batch that the core with the most of them has."""
        return math.ceil(self._pieces / n_cores) / self._pieces

    def _ranges(self, n_cores: int) -> list[slice]:
        return center_ranges(self.n_centers, self.n_features, n_cores)


def measure(n_features: int, n_centers: int) -> Parts:
    """Measure the parts: the least of many mini-batches, since other load on a machine only adds to it."""
    n_batches = BEFORE + MEASURED
    with memory_folder("kmeans-parts-") as folder:
        rows = write_job(Path(folder), BATCH_ROWS * 8, n_features, n_centers // 10)
        configuration = ChannelConfiguration(
            "train", RECORDIO, None, "File", "FullyReplicated", Path(folder) / "input/data/train"
        )
        channel = Channel(configuration, RecordForm(n_features), BATCH_ROWS, Reading(threaded=False))
        reading = min(_times(channel))
    threads, hosts = TimedMap(), CountedSums()
    drawn = rows[np.random.default_rng(0).choice(len(rows), n_centers, replace=False)]
    shift = usual_values(rows)
    start = StreamStart(drawn.astype(np.float64), np.zeros(n_centers), shift, outlier_distance(rows, shift))
    stream = Stream(start, 0, hosts, threads, reassign_far_rows=True)
    chosen = stream_settings(n_centers, n_features)
    reservoir = Reservoir(chosen.sample_size, n_features, 0, np.random.default_rng(0), n_hosts=2)
    reservoir.raise_threshold(-math.log(-math.log(1 - SAMPLED)))
    times: list[tuple[float, float, float, float]] = []
    for number in range(n_batches):
        if number == BEFORE:
            hosts.count = 0
        begin = number * BATCH_ROWS % len(rows)
        block = rows[begin : begin + BATCH_ROWS]
        moments = [thread_time()]
        assigned = stream.add(block)
        moments.append(thread_time())
        reservoir.add(block, *assigned)
        moments.append(thread_time())
        threads.seconds = 0.0
        stream.step()
        moments.append(thread_time())
        computing, sampling, ending = np.diff(moments).tolist()
        times.append((computing, sampling, threads.seconds, ending - threads.seconds))
    computing, sampling, shared, alone = np.min(times[BEFORE:], axis=0).tolist()
    return Parts(
        n_features=n_features,
        n_centers=n_centers,
        reading=reading,
        computing=computing,
        sampling=sampling,
        shared=shared,
        alone=alone,
        call=call_seconds(),
        far=hosts.count / MEASURED - 1,
    )


def _times(channel: Channel) -> list[float]:
    """Return the seconds of each mini-batch that is read."""
    seconds: list[float] = []
    blocks = channel.blocks()
    while True:
        began = thread_time()
        if next(blocks, None) is None:
            return seconds
        seconds.append(thread_time() - began)


def call_seconds() -> float:
    """Return the seconds that a thread takes to hand out work to one more thread."""
    least = []
    for count in (FEW, MANY):
        with Threads(count) as threads:
            times = []
            for _ in range(CALLS):
                began = thread_time()
                threads.map(_nothing, range(count))
                times.append(thread_time() - began)
            least.append(float(np.median(times)))
    return max(0.0, (least[1] - least[0]) / (MANY - FEW))


def _nothing(_: int) -> None:
    """Do nothing."""
