import json
import os
import re
import sys
