"""Jobs: submission, command jobs, sweeps and their outputs."""
