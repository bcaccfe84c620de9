CREATE TABLE shop (
  id int,
  open bool
);
