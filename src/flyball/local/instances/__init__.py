"""Instances of services on this machine: launching, probing, limiting and ending them."""
