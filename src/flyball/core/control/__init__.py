"""The governor: measures, decides, acts."""
