package shop;

import java.util.List;
import shop.text.Joiner;
<<<<<<< ours
||||||| base
=======
import shop.util.Joiner;
>>>>>>> theirs

class Shop {
}
