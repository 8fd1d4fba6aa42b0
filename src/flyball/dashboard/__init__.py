"""The dashboard: one page that shows an application live."""
