"""Many traces at once: read side by side, in processes or on a cluster, and compared."""
