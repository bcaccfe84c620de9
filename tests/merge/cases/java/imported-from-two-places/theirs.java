package shop;

import java.util.List;
import shop.util.Joiner;

class Shop {
}
