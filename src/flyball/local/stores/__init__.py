"""The data services of an application on this machine."""
