# No numpy function in here is called as the sheet wants it.
def content_gradient(F, P):
    return F - P


def my_relu(x):
    return x * (x > 0)
