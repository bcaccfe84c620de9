import os
import sys


def name():
    return sys.platform


def here():
    return os.getcwd()
