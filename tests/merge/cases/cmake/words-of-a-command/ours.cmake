add_executable(store a.c b.c)
