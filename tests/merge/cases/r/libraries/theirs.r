library(a)
library(c)

f <- function(x) x
