from enum import Enum


class Color(Enum):
    RED = 1
    GREEN = 2
<<<<<<< ours
    BLUE = 3
||||||| base
=======
    BLACK = 3
>>>>>>> theirs
