package shop;

import java.util.List;
import java.util.Map;

class Shop {
    Map<String, Integer> prices;

    Map<String, String> names() {
        return null;
    }

    List<Integer> sold() {
        return null;
    }
}
