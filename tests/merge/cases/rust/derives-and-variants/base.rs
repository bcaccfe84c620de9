#[derive(Debug)]
enum Shop {
    Open,
}
