"""The fixed workload of `plenum bench stream`, and one module for each engine that does it."""
