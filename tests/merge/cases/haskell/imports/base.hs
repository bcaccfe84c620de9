module Shop where

import A

open = True
