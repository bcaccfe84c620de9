test {invalidations} {
    r SET a 1
<<<<<<< ours
    r GET a
    r INCR b ; # not notified, since it was not fetched.
    r INCR a
    set keys [lindex [$redirected read] 2]
||||||| base
    r GET a
    r INCR a
    r INCR b ; # not notified, since it was not fetched.
    set keys [lindex [$rd1 read] 2]
=======
    r SET b 1
    r GET a
    r INCR b ; # not notified, since it was not fetched. 
    r INCR a 
    set keys [lindex [$rd1 read] 2]
>>>>>>> theirs
    assert {$keys eq {a}}
}
