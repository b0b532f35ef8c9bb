"""Files to begin with, which `picasso new` copies. They are real code, so that they are checked with all the rest."""
