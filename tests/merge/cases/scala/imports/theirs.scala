import a.B
import a.D

object Shop
