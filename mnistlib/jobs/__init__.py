"""Jobs as data, JSON both ways, and the one path that every backend takes to run them.

job        what all jobs share: JSON, checks, the table of types
train      TrainJob: one model
sweep      SweepJob: the same job with several values of the regularization
script     ScriptJob: somebody's own script
runner     a job in its run folder, run to its end, on this machine and on a cluster's node
"""

from mnistlib.jobs.job import Job, Outcome, job_from_json
from mnistlib.jobs.script import ScriptJob
from mnistlib.jobs.sweep import SweepJob
from mnistlib.jobs.train import TrainJob

__all__ = ["Job", "Outcome", "ScriptJob", "SweepJob", "TrainJob", "job_from_json"]
