"""Numbers to read: fits, estimates with intervals, comparisons, transitions, curves."""
