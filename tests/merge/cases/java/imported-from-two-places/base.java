package shop;

import java.util.List;

class Shop {
}
