let a = 1
<<<<<<< ours
let b = a
||||||| base
=======
let c = a
>>>>>>> theirs
