"""Backend of mnistlib that runs each job in a process of its own."""
