class No(Exception):
    """It does not work; the message says why."""


def wanted(held, otherwise):
    if not held:
        raise No(otherwise)
