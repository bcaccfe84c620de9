package shop;

import java.util.Map;

class Shop {
    Map<String, Integer> prices;

    Map<String, String> names() {
        return null;
    }
}
