"""Read IDX files, train logistic regression, run the same job on a laptop or on a cluster."""
