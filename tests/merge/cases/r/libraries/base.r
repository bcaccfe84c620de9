library(a)

f <- function(x) x
