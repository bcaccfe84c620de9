#[derive(Debug, Clone)]
enum Shop {
    Open,
    Closed,
}
