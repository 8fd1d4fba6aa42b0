"""What every reader shows: one view, made from the state and the datapoints that decided."""
