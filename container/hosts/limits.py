"""How long the hosts of a job wait for each other, in seconds; a fault of one host must end all within a minute."""

import os
from typing import Final

# Multiplies the limits that a fault is noticed by, so that tests of faults take seconds.
SCALE_VARIABLE: Final = "SAGEMAKER_KMEANS_TIME_SCALE"
_SCALE: Final = float(os.environ.get(SCALE_VARIABLE) or 1.0)

# The time between two heartbeats. Silence is counted in such beats: what was stopped itself has missed messages.
BEAT_SECONDS: Final = 2.0 * _SCALE
# A lost host must be noticed, and a busy one must not be taken for lost.
MAX_SILENT_BEATS: Final = 12
MAX_SILENT_WORKER_BEATS: Final = 15

# SageMaker's hosts may start up to a quarter of an hour apart.
CONNECT_SECONDS: Final = 900.0 * _SCALE
# A host that has failed waits that long for those that it has not met, to tell them.
TELL_SECONDS: Final = 30.0 * _SCALE
# One that was told to stop may soon be killed.
TELL_STOPPED_SECONDS: Final = 5.0 * _SCALE
LAUNCH_SECONDS: Final = 60.0
# A worker imports its packages; many workers may share few cores, or read from a cold disk.
WORKER_START_SECONDS: Final = 300.0 * _SCALE
# From when the last worker has started until MPI has connected all.
JOIN_SECONDS: Final = 45.0 * _SCALE
# All hosts wait for each other in exchanges: nobody computes or reads. What is on its way takes longer, at this rate.
STUCK_SECONDS: Final = 45.0 * _SCALE
SLOW_BYTES_PER_SECOND: Final = 1e6
# A worker that can't reach another one learns why from the launchers, if they notice that a host is lost.
CAUSE_SECONDS: Final = 40.0 * _SCALE
# Any message arrives within this time.
MESSAGE_SECONDS: Final = 1.0
# A host that leaves before all are connected says why within this time, on another connection.
REASON_SECONDS: Final = 3.0
# Whoever connects must greet within this time; the answer takes longer, if names are looked up slowly.
GREETING_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 0.5
# The log says which hosts are missing at the beginning, soon after, and then at this interval.
FIRST_REPORT_SECONDS: Final = 5.0 * _SCALE
REPORT_SECONDS: Final = 30.0 * _SCALE
# How long what was sent may take to leave at the end, and processes that are done.
CLOSE_SECONDS: Final = 3.0
END_SECONDS: Final = 20.0
