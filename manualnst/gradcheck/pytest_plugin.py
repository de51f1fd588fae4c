"""The fixture `check_gradient`, for tests of one's own gradients.

def test_my_gradient(check_gradient):
    check_gradient(my_loss, my_gradient, x)
"""

import pytest


@pytest.fixture
def check_gradient():
    """As manualnst.check_gradient, and fails the test, with the report, unless it passes."""
    from . import check_gradient

    def check(*args, **options):
        __tracebackhide__ = True  # the report says it all
        report = check_gradient(*args, **options)
        if not report:
            pytest.fail(str(report), pytrace=False)
        return report

    return check
