module Shop where

import A
import B

open = True
