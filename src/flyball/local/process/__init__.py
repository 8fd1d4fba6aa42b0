"""Processes that outlive the control plane: starting and watching them, their environments, ports and logs."""
