"""The configuration of a job: the files of `/opt/ml/input/config`, and hyperparameters."""
