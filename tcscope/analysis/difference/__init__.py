"""Two reports held against each other: matching, causes, sums that add up. `reports` is the way in."""
