"""Jobs as data, converted to and from JSON, and their one executor for every backend.

job        base classes, also of sweeps: JSON, checks, the table of types
train      TrainJob: one model
sweep      SweepJob: the same job with several values of the regularization
script     ScriptJob: a script of the user
runner     execution of a job in its run folder, on this machine and on a cluster's node
"""

from mnistlib.jobs.job import Job, Outcome, Sweep, job_from_json
from mnistlib.jobs.script import ScriptJob
from mnistlib.jobs.sweep import SweepJob
from mnistlib.jobs.train import TrainJob

__all__ = ["Job", "Outcome", "ScriptJob", "Sweep", "SweepJob", "TrainJob", "job_from_json"]
