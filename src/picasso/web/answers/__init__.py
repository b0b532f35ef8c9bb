"""What the API answers, as pydantic models: they are its documentation, too."""
