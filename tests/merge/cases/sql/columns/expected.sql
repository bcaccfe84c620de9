CREATE TABLE shop (
  id int,
  name text,
  open bool
);
