import os
import sys


def name():
    return os.name


def here():
    return os.getcwd()
