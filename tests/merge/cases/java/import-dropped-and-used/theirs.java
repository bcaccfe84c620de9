package shop;

import java.util.List;
import java.util.Map;

class Shop {
    Map<String, Integer> prices;

    List<String> names() {
        return null;
    }

    List<Integer> sold() {
        return null;
    }
}
