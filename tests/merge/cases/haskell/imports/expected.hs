module Shop where

import A
import B
import C

open = True
