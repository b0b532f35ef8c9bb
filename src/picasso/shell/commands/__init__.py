"""The commands, a file for each; what they are made of is imported when one runs."""
