import a.B
import a.C

object Shop
