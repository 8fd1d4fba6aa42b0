"""What the three services share: the REST endpoints, their OpenAPI document, the store, problems and the log."""
