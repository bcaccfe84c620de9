library(a)
library(b)
library(c)

f <- function(x) x
