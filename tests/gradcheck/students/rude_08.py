import time

time.sleep(3600)


def content_backward(F, P):
    return F - P
