library(a)
library(b)

f <- function(x) x
