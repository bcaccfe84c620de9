@pytest.fixture
def shop():
    a = 1
    b = 2
    c = 3
    d = 4
    return a


@dataclass
class Item:
    name: str
    price: int
    size: int
    weight: int
