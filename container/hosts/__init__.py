"""One MPI job out of the hosts of a training job, without ssh; each host's launcher watches the others."""
