module Shop where

import A
import C

open = True
