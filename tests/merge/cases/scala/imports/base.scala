import a.B

object Shop
