#[derive(Debug, Clone, PartialEq)]
enum Shop {
    Open,
    Closed,
    Sold(u8),
}
