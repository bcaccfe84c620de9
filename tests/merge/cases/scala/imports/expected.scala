import a.B
import a.C
import a.D

object Shop
