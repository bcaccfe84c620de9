#[derive(Debug, PartialEq)]
enum Shop {
    Open,
    Sold(u8),
}
