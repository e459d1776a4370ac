"""A report held against a budget: the grammar of conditions, what they measure, how they end. `run` is the way in."""
