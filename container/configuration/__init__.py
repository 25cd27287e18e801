"""What a job is told: the files of `/opt/ml/input/config`, and hyperparameters."""
