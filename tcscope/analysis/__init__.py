"""From launches and verdicts to a report (`pipeline`), and from two reports to a diff (`difference.reports`)."""
