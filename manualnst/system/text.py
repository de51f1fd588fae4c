"""Text that others wrote, on its way into a message."""


def printable(text: object) -> str:
    """One line, with nothing in it that could steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in str(text))
