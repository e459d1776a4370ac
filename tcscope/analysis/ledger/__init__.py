"""The reformat ledger: every change of type or layout, its cost, whom it feeds and why it is there."""
