"""What a loss does at a tap where the gradient of deeper layers has arrived already."""


def accumulated(dL_dF, onto):
    """dL_dF, or `onto` with dL_dF added in place, if there is one."""
    if onto is None:
        return dL_dF
    onto += dL_dF
    return onto
