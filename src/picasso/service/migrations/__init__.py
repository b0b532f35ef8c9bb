"""How the tables came to be, one file a step; run at every start."""
