import os
import sys


def name():
    return os.name
