package shop;

import java.util.List;
import shop.text.Joiner;

class Shop {
}
