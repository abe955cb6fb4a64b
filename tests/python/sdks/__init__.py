"""One driver per official SDK, all with the same verbs, and what they are driven at.

`talk` has the words that scenarios use, `families` the providers, `table` what cannot be done.
"""
