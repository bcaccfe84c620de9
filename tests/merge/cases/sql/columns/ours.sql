CREATE TABLE shop (
  id int,
  name text
);
