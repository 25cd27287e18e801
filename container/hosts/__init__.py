"""The hosts of a job: how they find each other, agree, run one MPI job and notice that one is lost."""
