let a = 1
let c = a
