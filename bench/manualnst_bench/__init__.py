"""`python -m manualnst bench`: how fast the package is, against others where they are installed.

Empty on purpose: what a measured process imports is part of what is measured.
"""
