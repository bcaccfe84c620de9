test {invalidations} {
    r SET a 1
    r SET b 1
    r GET a
    r INCR b ; # not notified, since it was not fetched. 
    r INCR a 
    set keys [lindex [$rd1 read] 2]
    assert {$keys eq {a}}
}
