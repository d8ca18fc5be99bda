"""Checks runs that somebody hands in: each file looks at one thing and says what it found."""
