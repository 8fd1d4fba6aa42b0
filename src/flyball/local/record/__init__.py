"""What is written down: the journal of every step, and the history for charts."""
