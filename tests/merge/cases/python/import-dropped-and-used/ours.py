import sys


def name():
    return sys.platform
