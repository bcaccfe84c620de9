test {invalidations} {
    r SET a 1
    r GET a
    r INCR a
    r INCR b ; # not notified, since it was not fetched.
    set keys [lindex [$rd1 read] 2]
    assert {$keys eq {a}}
}
