@pytest.fixture
def shop():
    a = 11
    b = 2
    c = 3
    d = 4
    return a


@dataclass
class Item:
    name: bytes
    price: int
    size: int
    weight: int
