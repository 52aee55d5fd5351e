"""A package from outside: one of everything that saccade takes."""
