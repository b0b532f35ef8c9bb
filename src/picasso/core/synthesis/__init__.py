"""Pictures that are searched for: what they are made of, what they are made for, and the search."""
