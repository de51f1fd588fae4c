"""The one exception for whatever a person can mend."""


class InputError(ValueError):
    """Bad input: the message says what was given, what was expected and what to do.

    The command line prints it as one line and ends with exit code 2; it is never a traceback.
    """
